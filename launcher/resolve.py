"""An experiment file to a typed settings object: bases, overrides, and all faults at once.

Order: the files named by ``extends:`` first (relative to the file that names them), then the file,
then ``key=value`` words. Later ones win; mappings merge (an empty one
empties), lists are replaced whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from steadyface.errors import InputError

Settings = TypeVar("Settings")


class Layer(NamedTuple):
    """Settings out of one place: ``origin`` is the file's name or the words of the command line."""

    origin: str
    values: dict[str, Any]


def resolve(schema: type[Settings], layers: Sequence[Layer]) -> Settings:
    """The settings that layers describe, later ones over earlier ones.

    Args:
        schema: a dataclass whose fields have defaults; nested dataclasses are sections.
        layers: of `file_layers` and `override_layers`.

    Raises:
        ExceptionGroup: of one InputError a fault, all of them; no data was opened.
    """
    settings, faults = resolve_what_fits(schema, layers)
    if faults:
        raise ExceptionGroup("faults in the settings", faults)
    return settings


def resolve_what_fits(schema: type[Settings], layers: Sequence[Layer]) -> tuple[Settings, list[InputError]]:
    """The settings without the keys and values that do not fit, and a fault for each of those.

    So that what fits can be checked in the same go.

    Raises:
        InputError: for a reference between settings that leads nowhere.
    """
    config = OmegaConf.structured(schema)
    faults = [fault for layer in layers for fault in apply_layer(config, schema, layer)]
    try:
        return OmegaConf.to_object(config), faults  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        origin = layers[-1].origin if layers else "settings"
        raise InputError(
            origin, "settings that resolve", first_line(error), "correct that reference"
        ) from error


def file_layers(path: Path, below: tuple[Path, ...] = ()) -> list[Layer]:
    """A file's own values after those of the files that it extends, the deepest base first.

    Raises:
        InputError: for a missing file, a file that is no YAML mapping, or bases that form a circle.
    """
    path = path.resolve()
    if path in below:
        raise InputError(path, "bases that end", "a file that extends itself", "remove it from extends:")
    values = read_yaml(path)
    bases = values.pop("extends", [])
    names = [bases] if isinstance(bases, str) else list(bases)
    inherited = [layer for name in names for layer in file_layers(path.parent / name, (*below, path))]
    return [*inherited, Layer(path.name, values)]


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, as plain containers; an empty file is an empty mapping."""
    if not path.is_file():
        near = [str(p) for p in sorted(path.parent.glob("*.yaml"))] if path.parent.is_dir() else []
        known = f"there are {', '.join(near)}" if near else "check the path"
        raise InputError(path, "an experiment file", "no such file", known)
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError) as error:
        raise InputError(path, "readable YAML", one_line(error), "correct the file there") from error
    if not isinstance(content, dict):
        raise InputError(
            path, "a mapping of settings", f"a {type(content).__name__}", "write key: value lines"
        )
    return content  # type: ignore[return-value]


def override_layers(words: Sequence[str]) -> list[Layer]:
    """``a.b=1`` words as layers; the right side is read as YAML, so lists and numbers work.

    >>> override_layers(["adaptation.steps=20", "seeds=[0,1]"])[1].values
    {'seeds': [0, 1]}

    Raises:
        ExceptionGroup: of one InputError for each word that is not key=value.
    """
    layers, faults = [], []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            faults.append(
                InputError(word, "key=value", f"'{word}'", "write for example adaptation.steps=200")
            )
            continue
        try:
            values = OmegaConf.to_container(
                OmegaConf.from_dotlist([word if value else f"{key}=''"]), resolve=False
            )
            layers.append(Layer("command line", values))  # type: ignore[arg-type]
        except (yaml.YAMLError, OmegaConfBaseException) as error:
            faults.append(InputError(word, "a value that YAML can read", one_line(error), "quote the value"))
    if faults:
        raise ExceptionGroup("faults on the command line", faults)
    return layers


def apply_layer(config: DictConfig, schema: type, layer: Layer, section: str = "") -> Iterator[InputError]:
    """Write a layer into ``config`` key by key; yields a fault for each key that does not fit."""
    types = get_type_hints(schema)
    for key, value in layer.values.items():
        name = f"{section}{key}"
        if key not in types:
            yield unknown_key(layer.origin, name, known_keys(OmegaConf.get_type(config)))
        elif is_dataclass(types[key]) and isinstance(value, Mapping):
            nested = Layer(layer.origin, dict(value))
            yield from apply_layer(config, types[key], nested, f"{name}.")
        else:
            yield from set_value(config, layer.origin, name, value, types[key])


def set_value(config: DictConfig, origin: str, name: str, value: Any, expected: Any) -> Iterator[InputError]:
    """Set one key; yields a fault when the value is not of the field's type."""
    try:
        OmegaConf.update(config, name, value, merge=value != {})
    except OmegaConfBaseException as error:
        words = getattr(expected, "__name__", str(expected)) if isinstance(expected, type) else str(expected)
        yield InputError(f"{origin}: {name}", f"a value of type {words}", repr(value), first_line(error))


def known_keys(schema: Any, section: str = "") -> list[str]:
    """Every dotted key of a settings dataclass, sections included.

    >>> from dataclasses import make_dataclass
    >>> known_keys(make_dataclass("S", [("steps", int, 1)]))
    ['steps']
    """
    types, keys = get_type_hints(schema), []
    for field in fields(schema):
        keys.append(section + field.name)
        if is_dataclass(types[field.name]):
            keys += known_keys(types[field.name], f"{section}{field.name}.")
    return keys


def unknown_key(origin: str, name: str, known: Sequence[str]) -> InputError:
    """The fault of a key that no field has, naming the nearest one that exists."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    # A key in the wrong section is closer by its last word than by its whole path.
    leaf = name.rpartition(".")[2]
    moved = [key for key in known if key.rpartition(".")[2] == leaf]
    best = (moved or nearest)[0]
    return InputError(
        f"{origin}: {name}", "a known setting", "an unknown key", f"the nearest known one is {best}"
    )


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())
