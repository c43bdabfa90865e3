"""HTTP as pip is configured to do it: certificates, credentials, proxies, retries, ``file://`` indexes."""

import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.util.retry import Retry

from pipeline.fetch.pip_config import PipConfig

# Seconds to connect, and between two pieces of an answer.
TIMEOUT = (10.0, 60.0)
RETRIES = Retry(
    total=3, connect=2, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False
)


def index_session(config: PipConfig, index: str) -> tuple[requests.Session, str]:
    """A session for one index, and that index's URL without its credentials."""
    parts = urlsplit(index)
    session = requests.Session()
    session.auth = _OwnHostOnly(parts.netloc)
    session.cert = config.client_cert
    if config.proxy:
        session.proxies = {"http": config.proxy, "https": config.proxy}
    adapter = _IndexAdapter(config)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.mount("file://", _LocalFiles())
    return session, urlunsplit(parts._replace(netloc=_host(parts.netloc)))


def public(text: str) -> str:
    """``text`` without the credentials that a URL in it may hold."""
    return re.sub(r"//[^/\s@]*@", "//", text)


def why(error: Exception) -> str:
    """What went wrong, in words that hold no URL (one could carry credentials or a signature)."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        denied = " (its user name and password are refused or missing)" if status in (401, 403) else ""
        return f"it answered HTTP {status}{denied}"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted (PIP_CERT or REQUESTS_CA_BUNDLE says which to trust)"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached or refuses"
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "it cannot be reached"
    return f"its answer cannot be read ({type(error).__name__})"


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]


class _OwnHostOnly(AuthBase):
    """The credentials in an index's URL, sent to that host alone: files may be served by another."""

    def __init__(self, netloc: str) -> None:
        credentials, _, self.host = netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        self.credentials = (unquote(user), unquote(password)) if credentials else None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        url = str(request.url)
        # Setting a session's auth turns off requests' own look into ~/.netrc.
        found = requests.utils.get_netrc_auth(url)
        if self.credentials and _host(urlsplit(url).netloc) == self.host:
            found = self.credentials
        return HTTPBasicAuth(*found)(request) if found else request


class _IndexAdapter(HTTPAdapter):
    """pip's certificates, which win over requests' environment variables as they do in pip."""

    def __init__(self, config: PipConfig) -> None:
        super().__init__(max_retries=RETRIES)
        self.pip = config

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        if _host(parts.netloc) in self.pip.trusted_hosts or parts.hostname in self.pip.trusted_hosts:
            options["verify"] = False
        elif self.pip.cert:
            options["verify"] = self.pip.cert
        return super().send(request, *args, **options)


class _LocalFiles(HTTPAdapter):
    """``file://`` URLs: a folder answers with its index.html, what is not there with 404."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        path = Path(url2pathname(urlsplit(str(request.url)).path))
        if path.is_dir():
            path = path / "index.html"
        response = requests.Response()
        response.request = request
        response.url = str(request.url)
        if path.is_file():
            response.status_code = 200
            response.raw = path.open("rb")
            response.headers["Content-Length"] = str(path.stat().st_size)
            response.headers["Content-Type"] = "text/html"
        else:
            response.status_code = 404
            response.raw = io.BytesIO()
        return response
