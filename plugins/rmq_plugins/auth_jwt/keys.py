"""Which keys count: those of the configuration, and those that an issuer publishes."""

from rmq.plugin_api.published_keys import PublishedKeys
from rmq_plugins.auth_jwt.signatures import Header, Key, fitting


class KeysNotThere(Exception):
    """The keys couldn't be fetched so far, so that nobody can say whether a token is good."""


class Keys:
    """``fixed`` ones of the configuration, and ``published`` ones if there are such."""

    def __init__(self, fixed: tuple[Key, ...], published: PublishedKeys[Key] | None = None) -> None:
        self._fixed = fixed
        self.published = published

    def find(self, header: Header) -> Key | None:
        """The key that goes with a token, as far as keys are known."""
        # Names come first: a published key that a token names isn't hidden by one of a file that has no name.
        published = () if self.published is None else self.published.keys or ()
        return fitting((*published, *self._fixed), header)

    async def look_for(self, header: Header) -> Key | None:
        """The same once the newest keys were fetched; raises ``KeysNotThere`` where there never were any."""
        if self.published is None:
            return None
        await self.published.renew()
        found = self.find(header)
        if found is None and self.published.keys is None:
            raise KeysNotThere
        return found
