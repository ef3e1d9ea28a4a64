"""The register map as JSON: the manifest's part about registers, for scripts that need nothing else."""

import json

from .. import VERSION
from .product import Product


def write(product: Product) -> str:
    """JSON text; in bytes, a register's address is its block's `base`, plus index times `stride`, plus its `offset`."""
    content = {
        "notice": product.notice,
        "card": product.plan.card,
        "manifest": product.manifest["hash"],
        "generator": VERSION,
        "size": product.size,
        "blocks": product.manifest["registers"],
    }
    return json.dumps(content, indent=2) + "\n"
