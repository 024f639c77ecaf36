"""Make a signer of what a file of parameters says (`config.signing_parameters`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fast_dataclass import replace
from .identity_tokens import GivenToken
from .sigstore import KeySource, PrivateKeyFile, SigstoreSigner

if TYPE_CHECKING:
    from ..access import Access
    from ..config.signing_parameters import FulcioParameters, SigningParameters
    from .fulcio import TokenSource
    from .identity_tokens import User
    from .web_service import ServiceAccess


def sigstore_signer(
    parameters: SigningParameters, passphrase: bytes, access: Access, user: User
) -> SigstoreSigner:
    """Return a signer; ``passphrase`` is that of ``parameters.key_file``, ``user`` the one who may have to sign in.

    Of ``access`` the network settings are used and the trusted authorities, except for the registry's own ones. Nothing
    is read and no request is sent before `SigstoreSigner.prepare`. Raises `InvalidInput` for a URL that is none.
    """
    services = _services(access)
    source: KeySource
    if parameters.key_file is not None:
        source = PrivateKeyFile(parameters.key_file, passphrase)
    else:
        from .fulcio import FulcioCertificate

        assert parameters.fulcio is not None
        source = FulcioCertificate(parameters.fulcio.url, _tokens(parameters.fulcio, services, user), services)
    if not parameters.rekor_url:
        return SigstoreSigner(source)
    from .rekor import RekorLog

    return SigstoreSigner(source, RekorLog(parameters.rekor_url, services))


def _tokens(parameters: FulcioParameters, services: ServiceAccess, user: User) -> TokenSource:
    if parameters.mode == "staticToken":
        return GivenToken(parameters.token)
    from .openid_issuer import Client

    client = Client(parameters.client_id, parameters.client_secret)
    if parameters.mode == "deviceGrant":
        from .device_grant import DeviceGrant

        return DeviceGrant(parameters.issuer, client, services, user)
    from .browser_login import BrowserLogin

    return BrowserLogin(parameters.issuer, client, services, user)


def _services(access: Access) -> ServiceAccess:
    from .web_service import ServiceAccess

    trust = replace(access.trust, insecure=None, cert_dir=None, roots=())
    return ServiceAccess(access.network, trust, access.report)
