"""Making assets, giving them values, and handing out what is secret in them."""

from apps.assets.services._writing import EVERYWHERE, Place
from apps.assets.services.assets import SETTABLE, create_asset, delete_asset, update_asset
from apps.assets.services.delivering import Delivered, NotUsable, deliver_asset
from apps.assets.services.expiring import tell_of_expiry
from apps.assets.services.values import remove_value, set_value

__all__ = [
    "EVERYWHERE",
    "SETTABLE",
    "Delivered",
    "NotUsable",
    "Place",
    "create_asset",
    "delete_asset",
    "deliver_asset",
    "remove_value",
    "set_value",
    "tell_of_expiry",
    "update_asset",
]
