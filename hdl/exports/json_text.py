"""The register map as JSON: the manifest's part about registers, for scripts that need nothing else."""

import json

from .. import VERSION
from ..plan.registers import TOKEN_BITS
from .product import Product


def write(product: Product) -> str:
    """JSON text; in bytes, a register's address is its block's `base`, plus index times `stride`, plus its `offset`.

    The address of a write has the owner's `token` in addition.
    """
    content = {
        "notice": product.notice,
        "card": product.plan.card,
        "manifest": product.manifest["hash"],
        "generator": VERSION,
        "size": product.size,
        "token": {"lsb": product.registers.address_bits, "width": TOKEN_BITS},
        "blocks": product.manifest["registers"],
    }
    return json.dumps(content, indent=2) + "\n"
