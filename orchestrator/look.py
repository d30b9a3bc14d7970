"""How the admin looks: names, colours, and where its parts come from."""

from typing import Any, Final

UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "BV Orchestrator",
    "SITE_HEADER": "BV Orchestrator",
    "SITE_SYMBOL": "precision_manufacturing",
    "SITE_URL": None,
    "SHOW_HISTORY": False,  # the audit trail is the one history
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        }
    },
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "apps.console.views.assets.icon"}],
    "STYLES": ["apps.console.views.assets.stylesheet"],
    "SCRIPTS": ["apps.console.views.assets.script"],
    "ACCOUNT": {"navigation": "apps.console.views.assets.account_links"},
    "SIDEBAR": {"navigation": "apps.console.views.navigation.sidebar"},
}
