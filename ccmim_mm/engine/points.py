"""What a run remembers of itself, over resumes."""

from mmengine.logging import MessageHub


def remember(runner, name: str, values: dict[str, float]) -> None:
    """Keep some values with their iteration, in the message hub.

    Args:
        runner: The runner.
        name: Of the series.
        values: By name.
    """
    hub = runner.message_hub
    point = dict(iter=runner.iter, **values)
    hub.update_info(name, [*recall(hub, name), point])


def recall(hub: MessageHub, name: str) -> list[dict[str, float]]:
    """The series so far: ``iter`` and the values of each point."""
    return hub.runtime_info.get(name, [])
