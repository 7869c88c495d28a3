"""A bucket of S3, or of a service like it: objects are put whole or not at all, and never changed.

Every error is a TransientError, because keys are renewed and buckets made while a worker waits: the caller tries
again. No message has a key in it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from vta_stream.ports import TerminalError, TransientError
from vta_stream.settings.work import S3Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from obstore.store import S3Config, S3Store

_PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_A_TIME = 4
COPY_BYTES_MAX = 5 * 1024**3
"""A longer object S3 does not copy in one request."""
_RETRY_TIMEOUT = timedelta(seconds=20)
"""Beyond this the store's own waiting in place takes over, which can be seen and stopped."""
_REQUEST_TIMEOUT = timedelta(seconds=60)
_CONNECT_TIMEOUT = timedelta(seconds=5)
_ANSWER = re.compile(r"<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a request is signed with. Printing one shows no secret."""

    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Keys:
        """The keys of the environment, by the names that all tools know; TerminalError `s3_keys` without them."""
        key_id, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
        if not key_id or not secret:
            raise TerminalError(
                "s3_keys",
                "store.s3.url is set, but AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not: export both (and "
                "AWS_SESSION_TOKEN, for keys that expire) where vta-stream runs",
            )
        token = environment.get("AWS_SESSION_TOKEN")
        return cls(key_id, SecretStr(secret), SecretStr(token) if token else None)


NO_KEYS = Keys("AWS_ACCESS_KEY_ID", SecretStr("AWS_SECRET_ACCESS_KEY"))
"""For showing: the names of the keys in their places."""


class Bucket:
    """The objects under `s3://BUCKET/PREFIX`; all keys are relative to that. The constructor asks nobody."""

    def __init__(self, settings: S3Settings, environment: Mapping[str, str] | None = None) -> None:
        if settings.url is None:
            raise ValueError("store.s3.url is not set")
        self.url = settings.url.rstrip("/")
        self.name, _, self.prefix = self.url.removeprefix("s3://").partition("/")
        self.endpoint = settings.endpoint.rstrip("/") if settings.endpoint else None
        self.region = settings.region
        self._environment = os.environ if environment is None else environment

    @cached_property
    def keys(self) -> Keys:
        """What to sign with; TerminalError `s3_keys` without."""
        return Keys.of(self._environment)

    def secret_statement(self, keys: Keys) -> str:
        """The SQL by which a DuckDB connection reads and writes here, for as long as it lives."""
        facts = {
            "KEY_ID": keys.access_key_id,
            "SECRET": keys.secret_access_key.get_secret_value(),
            "REGION": self.region,
            "SCOPE": self.url,
        }
        if keys.session_token:
            facts["SESSION_TOKEN"] = keys.session_token.get_secret_value()
        if self.endpoint:
            facts["ENDPOINT"] = self.endpoint.partition("://")[2]
            facts["URL_STYLE"] = "path"
            facts["USE_SSL"] = str(self.endpoint.startswith("https")).lower()
        options = [f"{name} '{value.replace(chr(39), chr(39) * 2)}'" for name, value in facts.items()]
        return f"CREATE SECRET vta_s3 (TYPE s3, {', '.join(options)})"

    def open_to(self, connection: DuckDBPyConnection) -> None:
        """Let a DuckDB connection (with httpfs loaded) read and write here."""
        # It waits 30 s for an answer; asking eight times, as it does by itself, would be four minutes.
        connection.execute("SET http_retries = 1")
        connection.execute(self.secret_statement(self.keys))

    @cached_property
    def _store(self) -> S3Store:
        from obstore.store import S3Store

        token = self.keys.session_token
        config: S3Config = {
            "region": self.region,
            "access_key_id": self.keys.access_key_id,
            "secret_access_key": self.keys.secret_access_key.get_secret_value(),
            "virtual_hosted_style_request": self.endpoint is None,
        }
        if token:
            config["session_token"] = token.get_secret_value()
        if self.endpoint:
            config["endpoint"] = self.endpoint
        return S3Store(
            self.name,
            prefix=self.prefix or None,
            config=config,
            client_options={"allow_http": True, "timeout": _REQUEST_TIMEOUT, "connect_timeout": _CONNECT_TIMEOUT},
            retry_config={"max_retries": 3, "retry_timeout": _RETRY_TIMEOUT},
        )

    def put_new(self, key: str, file: Path) -> None:
        """Upload a file under a name that nobody ever used; it is there for good when this returns.

        If an object is there already, it may be ours, from a try whose answer was lost: then its bytes are the
        same. Others are never overwritten: TransientError `s3_taken`.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        # What is put in parts cannot be put create-only (not through obstore), so those ask first.
        whole = file.stat().st_size <= _PART_BYTES
        with self._errors():
            if whole or not self._exists(key):
                try:
                    obstore.put(
                        self._store,
                        key,
                        file,
                        mode="create" if whole else "overwrite",
                        chunk_size=_PART_BYTES,
                        max_concurrency=_PARTS_AT_A_TIME,
                    )
                    return
                except AlreadyExistsError:
                    pass
            if self._digest_of(key) != _file_digest(file):
                raise TransientError("s3_taken", f"{self.url}/{key} is there already, and has other bytes")

    def _exists(self, key: str) -> bool:
        import obstore

        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        return True

    def _digest_of(self, key: str) -> bytes:
        import obstore

        digest = hashlib.sha256()
        for chunk in obstore.get(self._store, key).stream(min_chunk_size=_PART_BYTES):
            digest.update(chunk)
        return digest.digest()

    def put(self, key: str, content: bytes, *, create: bool = False) -> None:
        """Write an object; over what is there, or with `create` only if nothing is (TransientError `s3_taken`)."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._errors():
            try:
                obstore.put(self._store, key, content, mode="create" if create else "overwrite", use_multipart=False)
            except AlreadyExistsError as error:
                raise TransientError("s3_taken", f"{self.url}/{key} is there already") from error

    def get(self, key: str) -> bytes | None:
        """An object's bytes; None if there is none."""
        import obstore

        with self._errors():
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def size_bytes(self, key: str) -> int | None:
        """How long an object is; None if there is none."""
        import obstore

        with self._errors():
            try:
                return int(obstore.head(self._store, key)["size"])
            except FileNotFoundError:
                return None

    def get_range(self, key: str, start_bytes: int, end_bytes: int) -> bytes:
        """A stretch of an object, which has to begin within it and may not be empty."""
        import obstore

        with self._errors():
            return bytes(obstore.get_range(self._store, key, start=start_bytes, end=end_bytes))

    def move(self, key: str, target: str) -> None:
        """Give an object of at most COPY_BYTES_MAX another name, over what is there: the server copies it."""
        import obstore

        with self._errors():
            obstore.copy(self._store, key, target)
            obstore.delete(self._store, [key])

    def objects(self, prefix: str) -> Iterator[tuple[str, int]]:
        """(key, bytes) of the objects below the folder `prefix` ("" for all)."""
        import obstore

        with self._errors():
            for objects in obstore.list(self._store, prefix or None):
                for found in objects:
                    yield found["path"], found["size"]

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no error."""
        import obstore

        if keys:
            with self._errors():
                obstore.delete(self._store, list(keys))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise self._told(error) from None  # obstore's own text is long, and has the key's id in it

    def _told(self, error: Exception) -> TransientError:
        text = str(error)
        answer = _ANSWER.search(text)
        code = answer[1] if answer else ""
        said = f"{code}: {answer[2]}" if answer else text.partition("\n\nDebug source")[0].strip()
        if code == "NoSuchBucket":
            return TransientError("s3_no_bucket", f"there is no bucket {self.name}: make it, or mend store.s3.url")
        if "403 Forbidden" in text or "401 Unauthorized" in text:
            return TransientError(
                "s3_denied",
                f"{self.url} refuses what AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are: give that user the right to "
                f"list, get, put and delete there, or set other keys ({said})",
            )
        return TransientError("s3_unreachable", f"{self.url} (at {self.endpoint or 'AWS'}) does not answer: {said}")


def _file_digest(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()
