"""The keys of rmq-auth-jwt; RMQTT's names, and those of its own beside them."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from rmq.plugin_api import Duration, HttpUrl, PluginConfig, SomeTime
from rmq_plugins.auth_jwt.claims import check_template

HMAC: Final = ("HS256", "HS384", "HS512")
PUBLIC: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA")
Algorithm = Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"]


def _is_template(text: str) -> str:
    check_template(text)
    return text


Template = Annotated[str, AfterValidator(_is_template)]
Wanted = Annotated[tuple[Template, ...], Field(strict=False)]


class ClaimsConfig(PluginConfig):
    """What is demanded of claims; beside these keys any name of a claim, with a text or several."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Template | Wanted]

    exp: bool = True
    nbf: bool = True

    @property
    def wanted(self) -> dict[str, tuple[str, ...]]:
        """The values that a claim may have, by the names of claims."""
        given = self.__pydantic_extra__
        return {name: (value,) if isinstance(value, str) else value for name, value in given.items()}

    @model_validator(mode="after")
    def _has_values(self) -> "ClaimsConfig":
        for name, values in self.wanted.items():
            if not values:
                raise ValueError(f"{name}: an empty list lets nobody in: leave it out")
        return self


class AuthJwtConfig(PluginConfig):
    """All keys of etc/plugins/rmq-auth-jwt.toml; times in seconds."""

    priority: int = 50
    disconnect_if_pub_rejected: bool = True
    disconnect_if_expiry: bool = True
    from_: Annotated[Literal["password", "username"], Field(alias="from")] = "password"
    encrypt: Literal["hmac-based", "public-key"] = "hmac-based"
    algorithms: Annotated[tuple[Algorithm, ...], Field(strict=False)] = ()
    hmac_secret: str = ""
    hmac_base64: bool = False
    public_key: str = ""
    jwks_url: HttpUrl = ""
    jwks_refresh: SomeTime = 300.0
    jwks_timeout: SomeTime = 4.0
    jwks_ca_file: str = ""
    leeway: Duration = 0.0
    validate_claims: ClaimsConfig = Field(default_factory=lambda: ClaimsConfig.model_validate({}))

    @property
    def counting(self) -> tuple[str, ...]:
        """The algorithms that count: those that are named, else all that the kind of encryption has."""
        return self.algorithms or (HMAC if self.encrypt == "hmac-based" else PUBLIC)

    @model_validator(mode="after")
    def _fits_together(self) -> "AuthJwtConfig":
        kind = HMAC if self.encrypt == "hmac-based" else PUBLIC
        other = [algorithm for algorithm in self.algorithms if algorithm not in kind]
        if other:
            raise ValueError(f"algorithms: {other[0]} isn't one of {self.encrypt}: {', '.join(kind)}")
        if self.encrypt == "hmac-based" and (self.public_key or self.jwks_url):
            raise ValueError('public_key and jwks_url are for encrypt = "public-key"')
        if self.encrypt == "public-key" and self.hmac_secret:
            raise ValueError('hmac_secret is for encrypt = "hmac-based"')
        return self

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"from" if name == "from_" else name: value for name, value in write(self).items()}
