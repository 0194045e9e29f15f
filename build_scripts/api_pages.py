"""A hook of mkdocs.yml: a page for every public module of the package, made from its docstrings."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).resolve().parents[1]


def modules() -> list[str]:
    """The names of all modules that are no private part of another one."""
    paths = [path.relative_to(_ROOT).with_suffix("") for path in (_ROOT / "bnnedge").rglob("*.py")]
    names = {".".join(path.parts).removesuffix(".__init__") for path in paths}
    return sorted(name for name in names if not any(p.startswith("_") for p in name.split(".")))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those of docs/."""
    names = modules()
    pages = {f"{name}.md": f"# {name}\n\n::: {name}\n" for name in names}
    lines = [f"* [{name}]({name}.md)" for name in names]
    pages["README.md"] = "\n".join(["# Python interface", "", *lines, ""])
    for name, text in pages.items():
        files.append(File.generated(config, f"api/{name}", content=text))
    return files
