"""A node whose plugins have configurations, checked by their own models, as a real one has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel, ValidationError

from rmq.management.errors import BadQuery
from tests.unit.management.world import FakePlugin, FakePlugins, World


class ConfiguredPlugins(FakePlugins):
    """``models`` by plugin; what is kept for one is taken when it is loaded or reloaded."""

    def __init__(self, world: World, models: Mapping[str, type[BaseModel]]) -> None:
        super().__init__()
        self._world = world
        self._models = models
        for name in models:
            self.known[name] = FakePlugin(name, active=False)

    def config(self, name: str) -> Mapping[str, object]:
        kept = self._world.service.plugin_configs.kept(name)
        return self._models[name].model_validate(self.written_config(name, kept)).model_dump(mode="json")

    def check_config(self, name: str, values: Mapping[str, object]) -> None:
        try:
            self._models[name].model_validate(self.written_config(name, values))
        except ValidationError as error:
            wrong = error.errors()[0]
            raise BadQuery("configuration", f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None

    async def load(self, name: str) -> bool:
        self.known[name] = replace(self.known[name], active=True)
        return await super().load(name)


def world_with(**models: type[BaseModel]) -> World:
    """A node with these plugins; names with ``_`` for ``-``."""
    world = World()
    plugins = ConfiguredPlugins(world, {name.replace("_", "-"): model for name, model in models.items()})
    world.plugins = world.local.plugin_control = plugins
    return world
