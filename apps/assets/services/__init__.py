"""Making assets, giving them values, and handing out what is secret in them."""

from apps.assets.services._writing import EVERYWHERE, Elsewhere, Place
from apps.assets.services.assets import SETTABLE, create_asset, delete_asset, restore_asset, update_asset
from apps.assets.services.delivering import Delivered, NotUsable, deliver_asset
from apps.assets.services.expiring import tell_of_expiry
from apps.assets.services.revealing import REASON_LENGTH, reveal_asset
from apps.assets.services.stores import create_store, delete_store, ensure_own_stores, try_store, update_store
from apps.assets.services.values import remove_value, set_value

__all__ = [
    "EVERYWHERE",
    "REASON_LENGTH",
    "SETTABLE",
    "Delivered",
    "Elsewhere",
    "NotUsable",
    "Place",
    "create_asset",
    "create_store",
    "delete_asset",
    "delete_store",
    "deliver_asset",
    "ensure_own_stores",
    "remove_value",
    "restore_asset",
    "reveal_asset",
    "set_value",
    "tell_of_expiry",
    "try_store",
    "update_asset",
    "update_store",
]
