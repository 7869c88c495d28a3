"""A dataset as one page to look at: its clips with their pictures, texts, scores and reasons."""
