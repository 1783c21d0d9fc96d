"""DVC's cache shared over S3, against a server of S3's interface on this machine."""

import re
import threading

import pytest

import clones

pytest.importorskip("moto", reason="make team installs it")
pytest.importorskip("dvc_s3", reason="make team installs it")

from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

pytestmark = pytest.mark.slow

KEY, SECRET = "KEYOFTHETEST", "secret-of-the-test"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NOT_CACHED = {"pins", "report"}
FILE = re.compile(r"^/[\w-]+/(files/md5/\w\w/[0-9a-f]+)$")
FILE_OR_LIST = re.compile(r"^/[\w-]+/files/md5/")  # a folder's list of files ends in .dir
RUN = re.compile(r"^/[\w-]+/(runs/.+)$")


class Server:
    """S3's interface, which refuses PUT or GET of matching paths once some have passed."""

    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.lock = threading.Lock()
        self.heal()

    def heal(self):
        self.method, self.pattern, self.left, self.passed = None, FILE, 0, []

    def fail(self, method, after, pattern):
        self.method, self.pattern, self.left, self.passed = method, pattern, after, []

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self.lock:
            if method == self.method and self.pattern.match(path):
                if not self.left:
                    start_response("403 Forbidden", [("Content-Length", "0")])
                    return [b""]
                self.left -= 1
            self.passed.append((method, path))
        return self.moto(environ, start_response)

    def moved(self, method):
        """The cached files that passed since `heal` or `fail`."""
        found = (FILE.match(path) for verb, path in self.passed if verb == method)
        return [match[1] for match in found if match]


@pytest.fixture(scope="module")
def server():
    server = Server()
    listening = make_server("127.0.0.1", 0, server, threaded=True)
    server.address = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield server
    listening.shutdown()


@pytest.fixture(autouse=True)
def healthy(server):
    server.heal()


def bucket(server, name):
    import boto3

    names = ("aws_access_key_id", "aws_secret_access_key", "region_name")
    values = dict(zip(names, CREDENTIALS.values(), strict=False))
    boto3.client("s3", endpoint_url=server.address, **values).create_bucket(Bucket=name)
    return f"s3://{name}"


def dvc(folder, *arguments):
    return clones.run(folder, "dvc", *arguments, **CREDENTIALS)


@pytest.fixture(scope="module")
def project(server, archives, tmp_path_factory):
    """Run, committed, and pushed with its run cache."""
    content = clones.params({"vit": archives["vit"]})
    folder = tmp_path_factory.mktemp("shared") / "project"
    folder.mkdir()
    address = bucket(server, "shared-cache")
    clones.project(folder, content, address, ("endpointurl", server.address))
    clones.done(folder, "dvc", "repro")
    clones.commit(folder)
    clones.done(folder, "dvc", "push", "--run-cache", **CREDENTIALS)
    return folder


def test_a_clone_pulls_and_runs_nothing(project, tmp_path):
    clone = clones.clone(project, tmp_path / "clone")
    assert not (clone / ".dvc/cache").exists()
    assert dvc(clone, "pull", "--run-cache").returncode == 0
    assert "Data and pipelines are up to date" in dvc(clone, "repro").stdout
    assert clones.files(clone) == clones.files(project)


def test_without_dvc_lock_only_what_is_never_cached_runs(project, tmp_path):
    clone = clones.clone(project, tmp_path / "clone")
    (clone / "dvc.lock").unlink()
    result = dvc(clone, "repro", "--pull")
    assert result.returncode == 0, result.stdout
    assert clones.ran(result.stdout) <= NOT_CACHED
    assert clones.files(clone) == clones.files(project)


def test_no_tracked_file_holds_credentials(project, tmp_path):
    clone = clones.clone(project, tmp_path / "clone")
    for name, value in (("access_key_id", KEY), ("secret_access_key", SECRET)):
        clones.done(clone, "dvc", "remote", "modify", "--local", "shared", name, value)
    clones.done(clone, "git", "add", "--all")
    tracked = clones.done(clone, "git", "ls-files").split()
    assert ".dvc/config" in tracked
    for name in tracked:
        content = (clone / name).read_bytes()
        assert KEY.encode() not in content and SECRET.encode() not in content, name


def test_a_push_that_breaks_off_is_completed_by_its_repetition(project, server, tmp_path):
    before = clones.files(project)
    address = bucket(server, "breaks-off")
    server.fail("PUT", after=5, pattern=FILE_OR_LIST)
    push = ("push", "--run-cache", "--remote", "breaks-off")
    clones.done(project, "dvc", "remote", "add", "--local", "breaks-off", address)
    setting = ("--local", "breaks-off", "endpointurl", server.address)
    clones.done(project, "dvc", "remote", "modify", *setting)
    assert dvc(project, *push).returncode != 0
    first = server.moved("PUT")
    assert 0 < len(first) <= 5
    assert clones.files(project) == before
    assert "Data and pipelines are up to date" in dvc(project, "repro").stdout
    server.heal()
    result = dvc(project, *push)
    assert result.returncode == 0, result.stdout
    second = server.moved("PUT")
    assert second and not set(first) & set(second)
    clone = clones.clone(project, tmp_path / "clone")
    setting = (".dvc/config", "shared-cache", "breaks-off")
    text = (clone / setting[0]).read_text("utf-8")
    (clone / setting[0]).write_text(text.replace(*setting[1:]), "utf-8")
    assert dvc(clone, "pull", "--run-cache").returncode == 0
    assert clones.files(clone) == before


def test_a_pull_that_breaks_off_is_completed_by_its_repetition(project, server, tmp_path):
    clone = clones.clone(project, tmp_path / "clone")
    server.fail("GET", after=5, pattern=FILE)
    assert dvc(clone, "pull", "--run-cache").returncode != 0
    first = server.moved("GET")
    assert len(first) == 5
    server.heal()
    result = dvc(clone, "pull", "--run-cache")
    assert result.returncode == 0, result.stdout
    second = server.moved("GET")
    assert second and not set(first) & set(second)
    assert "Data and pipelines are up to date" in dvc(clone, "repro").stdout
    assert clones.files(clone) == clones.files(project)


def test_fanout_refuses_a_run_cache_that_does_not_arrive(project, server, tmp_path):
    """DVC says so and exits 0; the machines would then do the same work again."""
    clone = clones.clone(project, tmp_path / "clone")
    server.fail("PUT", after=0, pattern=RUN)
    result = clones.run(clone, "python", "-m", "tools.fanout", "prepare", **CREDENTIALS)
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1].startswith("error: dvc push failed")
