"""What a stage is made from, as JSON; its hash is the stage's id, so that the same work has the same id wherever it is asked for."""

from typing import Any, Callable, Dict, List, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.records import STAGE, StageRecord, is_done, read_stage, stage_dir
from joulebird.harness.runs.spec import digest, slug


class Artifact:
    """A handle to what a stage leaves behind: its id now, its result when it is needed."""

    def __init__(self, root: str, stage_id: str, saving: Any) -> None:
        self.id = stage_id
        self._root = root
        self._saving = saving

    @property
    def folder(self) -> str:
        """The stage's folder."""
        return stage_dir(self._root, self.id)

    def done(self) -> bool:
        """Whether the stage is finished."""
        return is_done(self.folder, STAGE)

    def record(self) -> StageRecord:
        """The finished stage's record; raises HarnessError when it is not finished."""
        return read_stage(self._root, self.id)

    def load(self) -> Dict[str, Any]:
        """The stage's result: a dict of tensors and plain values. Raises NotDone when the stage is not finished."""
        if not self.done():
            raise NotDone(self.id)
        return self._saving().load(self.folder)


class NotDone(HarnessError):
    """The result of a stage is asked for that has not been trained yet (while planning)."""

    def __init__(self, stage_id: str) -> None:
        super().__init__(f"stage {stage_id} is not finished", "run the study first")


def recipe_of(
    function: Callable, inputs: Tuple[Any, ...], options: Dict[str, Any]
) -> Dict[str, Any]:
    """The function's dotted name, its inputs and its options as JSON values: a task by its recipe, an artifact by its stage id."""
    return {
        "function": dotted_name(function),
        "inputs": [encode(one) for one in inputs],
        "options": {name: encode(value) for name, value in options.items()},
    }


def stage_id(recipe: Dict[str, Any]) -> str:
    """The function's short name and twelve digits of the recipe's hash.

    >>> stage_id({"function": "joulebird.baselines.training.loop:train", "inputs": [1], "options": {}})
    'train-87346cd1fd83'
    """
    return "{}-{}".format(slug(recipe["function"].rpartition(":")[2]), digest(recipe, 12))


def dotted_name(function: Callable) -> str:
    """ "module:function" of a stage function.

    >>> import json
    >>> dotted_name(json.dumps)
    'json:dumps'
    """
    name = getattr(function, "__qualname__", f"<{function!r}>")
    if "<" in name:
        raise TypeError(f"a stage function must be a named function of a module, not {name}")
    return f"{function.__module__}:{name}"


def encode(value: Any) -> Any:
    """An input of a stage as a JSON value; raises TypeError for what has none.

    >>> encode((1, "a", None))
    [1, 'a', None]
    """
    if isinstance(value, Artifact):
        return {"stage": value.id}
    if hasattr(value, "recipe"):
        return {"task": encode(value.recipe())}
    if isinstance(value, dict):
        return {str(key): encode(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(one) for one in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"an input of a stage must be a task, an artifact or a plain value, not {type(value).__name__}"
    )


def artifacts(value: Any) -> List[Artifact]:
    """All artifacts in an input, in order."""
    if isinstance(value, Artifact):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) and not hasattr(value, "recipe"):
        return [found for one in value for found in artifacts(one)]
    return []


def loaded(value: Any) -> Any:
    """An input with its artifacts replaced by their results; a task stays itself."""
    if isinstance(value, Artifact):
        return value.load()
    if hasattr(value, "recipe"):
        return value
    if isinstance(value, dict):
        return {key: loaded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(loaded(one) for one in value)
    return value
