"""The recipe of a stage, as JSON; its hash is the stage's id, so equal work has one id."""

from typing import Any, Callable, Dict, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import slug
from joulebird.harness.core.records import STAGE, is_done, stage_dir
from joulebird.harness.core.registry import own_sources
from joulebird.harness.runs.spec import digest


class Artifact:
    """A handle to a stage: its id, and its result once it is finished."""

    def __init__(self, root: str, stage_id: str, saving: Any) -> None:
        self.id, self.folder, self._saving = stage_id, stage_dir(root, stage_id), saving

    def done(self) -> bool:
        """Return whether the stage is finished."""
        return is_done(self.folder, STAGE)

    def load(self) -> Dict[str, Any]:
        """Return the stage's result, a dict of tensors and plain values.

        Raises NotDone, and Damaged when it is missing or cannot be read.
        """
        if not self.done():
            raise NotDone(f"stage {self.id} is not finished", "run the study first")
        return dict(self._saving().load(self.folder))


class NotDone(HarnessError):
    """The result of an unfinished stage was requested (while planning)."""


def recipe_of(
    function: Callable[..., Any], inputs: Tuple[Any, ...], options: Dict[str, Any]
) -> Dict[str, Any]:
    """Return the function's dotted name, its inputs and its options as JSON values.

    `sources` holds the hash of each module of the user's own: an edited one makes another stage.
    """
    name = dotted_name(function)
    tasks = [value.recipe() for value in inputs if hasattr(value, "recipe")]
    parts = [str(task.get(kind, "")) for task in tasks for kind in ("model", "dataset")]
    own = own_sources(name, *parts)
    return dict(
        {"sources": own} if own else {},
        function=name,
        inputs=[encode(value) for value in inputs],
        options={name: encode(value) for name, value in options.items()},
    )


def stage_id(recipe: Dict[str, Any]) -> str:
    """Return the function's short name and twelve digits of the recipe's hash.

    >>> train = "joulebird.baselines.training.loop:train"
    >>> stage_id({"function": train, "inputs": [1], "options": {}})
    'train-87346cd1fd83'
    """
    return f"{slug(recipe['function'].rpartition(':')[2])}-{digest(recipe, 12)}"


def dotted_name(function: Callable[..., Any]) -> str:
    """Return "module:function" of a stage function.

    >>> import json
    >>> dotted_name(json.dumps)
    'json:dumps'
    """
    name = getattr(function, "__qualname__", f"<{function!r}>")
    if "<" in name:
        raise TypeError(f"a stage function must be a named function of a module, not {name}")
    return f"{function.__module__}:{name}"


def encode(value: Any) -> Any:
    """Return an input of a stage as a JSON value: a task by its recipe, an artifact by its id.

    Raises TypeError for any other object.

    >>> encode((1, "a", None))
    [1, 'a', None]
    """
    if isinstance(value, Artifact):
        return {"stage": value.id}
    if hasattr(value, "recipe"):
        return {"task": encode(value.recipe())}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    kind = type(value).__name__
    raise TypeError(f"a stage's input must be a task, an artifact or a plain value, not {kind}")


def replaced(value: Any, result: Callable[[Artifact], Any]) -> Any:
    """Return an input with each artifact, in order, replaced by `result` of it."""
    if isinstance(value, Artifact):
        return result(value)
    if isinstance(value, dict):
        return {key: replaced(item, result) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "recipe"):
        return type(value)(replaced(item, result) for item in value)
    return value
