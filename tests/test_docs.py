"""Links of README, CONTRIBUTING, CHANGELOG and docs lead somewhere, anchors included."""

import importlib
import inspect
import itertools
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

import bnnedge

_ROOT = Path(__file__).parents[1]
_PAGES = sorted(
    page.relative_to(_ROOT).as_posix()
    for page in (*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md"))
)


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))


def _links(page: Path) -> Iterator[str]:
    for token in _tokens(page):
        for child in token.children or ():
            if child.type == "link_open":
                yield str(child.attrs["href"])
            if child.type == "image":
                yield str(child.attrs["src"])


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, no punctuation, - for a space, -1 for a second one."""
    tokens, seen, found = _tokens(page), Counter[str](), set()
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(part.content for part in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return found


def _dead(root: Path, page: str) -> list[str]:
    dead = []
    for link in _links(root / page):
        path, _, anchor = link.partition("#")
        target = (root / page).parent / path if path else root / page
        if re.match(r"\w+:", link):
            continue
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", _PAGES)
def test_links_lead_somewhere(page: str) -> None:
    assert _dead(_ROOT, page) == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("[b](b.md#two-words) [c](c.md) [d](b.md#no) [e](#f) ![g](g.png)")
    (tmp_path / "b.md").write_text("# Two `words`!\n")
    assert _dead(tmp_path, "a.md") == ["c.md", "b.md#no", "#f", "g.png"]


@pytest.mark.parametrize("page", [page for page in _PAGES if page.startswith("docs/")])
def test_every_page_is_in_the_index(page: str) -> None:
    index = _ROOT / "docs/README.md"
    assert page == "docs/README.md" or page.removeprefix("docs/") in _links(index)


def test_hooks_are_the_linters_that_ci_runs() -> None:
    config = yaml.safe_load((_ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook["entry"] for repository in config["repos"] for hook in repository["hooks"]]
    lines = (_ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert hooks == [line for line in lines if line.startswith(".venv/bin/")]


def test_the_version_has_one_place_and_the_changelog_knows_it() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"] and "version" not in project["project"]
    release = bnnedge.__version__.partition(".dev")[0]
    assert f"## {release}" in (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _layers() -> str:
    """The layers of import-linter as a table, each room with the first line of its docstring."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    rows = ["| | room | |", "|---|---|---|"]
    for number, layer in enumerate(layers):
        for room in layer.split(" | "):
            line = (importlib.import_module(room).__doc__ or "").splitlines()[0]
            rows.append(f"| {len(layers) - number} | `{room.partition('.')[2]}` | {line} |")
    return "\n".join(rows)


def test_the_architecture_page_has_the_layers_that_are_checked(
    request: pytest.FixtureRequest,
) -> None:
    page = _ROOT / "docs/explanation/architecture.md"
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition("<!-- layers -->\n")
    _, end, after = rest.partition("\n<!-- end of layers -->")
    wanted = f"{before}{begin}\n{_layers()}\n{end}{after}"
    if request.config.getoption("--refresh-golden"):
        page.write_text(wanted, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == wanted


def _modules() -> Iterator[ModuleType]:
    for path in sorted((_ROOT / "bnnedge").rglob("*.py")):
        name = ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")
        if not any(part.startswith("_") for part in name.split(".")):
            yield importlib.import_module(name)


def _undocumented(module: ModuleType) -> Iterator[str]:
    """Public names without a docstring; what overrides has that of what it overrides."""
    if not module.__doc__:
        yield module.__name__
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value) and not value.__doc__:
            yield f"{module.__name__}.{name}"
        if inspect.isclass(value):
            if not value.__doc__:
                yield f"{module.__name__}.{name}"
            for part, method in vars(value).items():
                function = method.fget if isinstance(method, property) else method
                function = getattr(function, "__func__", function)
                overrides = any(hasattr(base, part) for base in value.__bases__)
                public = inspect.isfunction(function) and not part.startswith("_")
                if public and not overrides and not function.__doc__:
                    yield f"{module.__name__}.{name}.{part}"


def test_public_names_have_docstrings() -> None:
    assert [name for module in _modules() for name in _undocumented(module)] == []


def test_missing_docstrings_are_found() -> None:
    module = ModuleType("some", "Documented.")
    code = "class Stage:\n  def run(self): ...\n  def _of(self): ...\ndef make(): ...\n"
    exec(code, vars(module) | {"__name__": "some"}, vars(module))
    assert [*_undocumented(module)] == ["some.Stage", "some.Stage.run", "some.make"]


@pytest.mark.slow
def test_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")  # the extra `docs`, which the set-up leaves out
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")]
    argv += ["-f", str(_ROOT / "build_scripts/mkdocs.yml")]
    subprocess.run(argv, check=True, cwd=tmp_path)
    pages = {path.parent.name for path in (tmp_path / "site/api").glob("*/index.html")}
    assert {"bnnedge", "bnnedge.dataflow", "bnnedge.verbs"} <= pages
    page = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|stylesheet" href)="https?:', page)
