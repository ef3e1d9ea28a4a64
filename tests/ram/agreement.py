"""Does a card hold exactly what an inventory says?"""

from ram import Card, Inventory

from .fake_card import FakeCard


def check_agreement(fake: FakeCard, card: Card, inventory: Inventory) -> None:
    """Compare every table of the card with what people are told about the inventory.

    Nothing here uses the RAM's own image of the registers: keys and rights are compared with `Inventory.holding`,
    windows with `Inventory.layout`.
    """
    assert fake.registers["identity", 0, "GENERATION"] == inventory.generation
    numbers = {owner.name: owner.index for owner in inventory.slices}
    for index, target in enumerate(card.targets):
        for granule in range(target.keyed):
            holding = inventory.holding(card, target.name, granule)
            where = f"{target.name}[{granule}]"
            assert fake.keys.get((index, granule), 0) == holding.key, where
            readers = sum(1 << numbers[name] for name in holding.rights)
            writers = sum(1 << numbers[name] for name, rights in holding.rights.items() if rights == "read-write")
            assert (fake.readers(index, granule), fake.writers(index, granule)) == (readers, writers), where
    ports = {card.context[port].index: name for name in numbers for port in inventory.ports(card, name)}
    assert fake.owners == {context: numbers[name] for context, name in ports.items()}
    for context, name in ports.items():
        reach = card.initiators[card.contexts[context].initiator].targets
        expected = {
            granule: (card.target[place.target], place.granule, place.readable, place.writable)
            for granule, place in inventory.layout(card, name).items()
            if card.target[place.target] in reach
        }
        assert fake.windows[context] == expected, card.contexts[context].name
    for name in inventory.cleared:
        if card.context[name].index not in ports:
            assert fake.windows[card.context[name].index] == {}, name
    lanes = {card.device[a.device]: (a.first_lane, a.lanes) for owner in inventory.slices for a in owner.attachments}
    assert fake.lanes == lanes
    owned = {card.contexts[context].initiator for context in ports}
    assert fake.in_reset == set(fake.resets) - owned
    turns = [(owner, card.target[found.target], found.slots) for owner in inventory.slices for found in owner.turns]
    assert fake.slots == {(target, slot): owner.index for owner, target, slots in turns for slot in slots}
    for index, target in enumerate(card.targets):
        if target.time_slots:
            timed = sum(1 << owner.index for owner, where, _ in turns if where == index)
            assert fake.registers["target", index, "TIMED"] == timed
    for owner in inventory.slices:
        chunk = owner.qos.chunk // card.fabric.data_bytes if owner.qos.chunk else card.fabric.chunk
        level, halvings = (fake.registers["slice", owner.index, "QOS"] >> lsb & 0xFF for lsb in (0, 8))
        assert (level, chunk << halvings) == (owner.qos.class_, card.fabric.chunk)
        for core in owner.cores:
            initiator = card.context[core].initiator
            low, high = (fake.registers["initiator", initiator, name] for name in ("BOOT_LOW", "BOOT_HIGH"))
            assert high << 32 | low == owner.boot_address
    for key, rights in ((k, fake.registers["key", k, r]) for k in range(card.fabric.keys) for r in ("READ", "WRITE")):
        used = [o for o in inventory.slices if key in (o.private_key, *(region.key for region in o.regions))]
        assert used or not rights, f"key {key} of nobody has rights"
