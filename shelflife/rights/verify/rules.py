"""Every rule that verification can find broken, by the store that it looks at.

`docs/verification.md` lists the same rules; a test keeps the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: what a finding is called.
        store: the kind of store that it is about.
        broken_when: what was found, in words.
        about_targets: whether it is about the people that verification was asked about, and not the estate as a whole.
    """

    name: str
    store: str
    broken_when: str
    about_targets: bool = False


_STORAGE = (
    Rule("unregistered_file", "storage", "a file lies under `home` that no rule and no catalog row expects"),
    Rule("missing_file", "storage", "a file that the catalog calls live is not there"),
    Rule("altered_file", "storage", "a live file's size or SHA-256 is not the catalog's"),
    Rule("collected_file_present", "storage", "a file that the catalog calls collected still lies there"),
    Rule(
        "replaced_file_readable", "storage", "a replaced file lies there, its keys exist and no lease is out"
    ),
    Rule("replaced_file_overdue", "storage", "a replaced file lies there past its class's physical deadline"),
    Rule("live_file_of_destroyed_partition", "storage", "a destroyed partition still has live files"),
    Rule("plan_edited", "storage", "a plan file's content is not the one that its name is the digest of"),
    Rule("half_written_file", "storage", "a temporary file lies there that no open batch writes"),
    Rule("open_permissions", "storage", "a file or folder under `home` can be opened by group or others"),
    Rule("not_a_plain_file", "storage", "a link, socket or device lies under `home`"),
    Rule("target_in_name", "storage", "the name of a file or folder names a target", about_targets=True),
    Rule(
        "target_in_file", "storage", "the content of a file under `home` names a target", about_targets=True
    ),
)

_KEYS = (
    Rule("key_page_closed", "keys", "a page of a key tree does not open under its parent's key"),
    Rule("key_page_missing", "keys", "a page of a key tree is not there"),
    Rule("key_page_stray", "keys", "a page lies in the database that no page above it leads to"),
    Rule("root_key_missing", "keys", "the root slot does not hold the key of the tree's generation"),
    Rule("root_keys_unreconciled", "keys", "the root slot's living key is not that of the tree's generation"),
    Rule("root_key_overdue", "keys", "a retired root key lies in the slot a day past the finality window"),
    Rule("root_slot_leftover", "keys", "a half-replaced root slot lies beside the slot"),
    Rule("key_not_destroyed", "keys", "a key that a target names is still there", about_targets=True),
    Rule("key_of_destroyed_partition", "keys", "the key of a destroyed partition is still there"),
    Rule("key_of_replaced_file", "keys", "the key of a replaced or collected file is still there"),
    Rule("key_of_recorded_destruction", "keys", "a key is there that the journal says was destroyed"),
    Rule("key_of_removed_copy", "keys", "the key of a removed object of a copy is still there"),
    Rule("key_unnamed", "keys", "a key is there that no row of the control database names"),
    Rule("landing_key_overdue", "keys", "a landing key's private key is there a day past its grace time"),
    Rule(
        "key_lost",
        "keys",
        "a live file, an open partition, an active hold or a landing key names a key that is gone",
    ),
    Rule("old_copy_opens", "keys", "an older control database opens a key that was destroyed since"),
)

_RAW = (
    Rule("block_of_target", "raw", "a sealed row stands for a target", about_targets=True),
    Rule(
        "block_of_target_opens",
        "raw",
        "a target's sealed row opens with a key that exists",
        about_targets=True,
    ),
    Rule("block_left", "raw", "a sealed row whose key is gone was not overwritten by the physical deadline"),
    Rule("block_broken", "raw", "a sealed row does not open with the keys that belong to it"),
    Rule("raw_rows_differ", "raw", "a raw file holds another number of samples than the catalog says"),
    Rule("raw_file_unsealed", "raw", "a file of the raw zone is no sealed file"),
)

_DERIVED = (
    Rule("derived_row_of_target", "derived", "a derived row is about a target", about_targets=True),
    Rule(
        "derived_row_of_nobody", "derived", "a derived row is about someone whom the directory does not know"
    ),
    Rule(
        "derived_row_of_forgotten_stream",
        "derived",
        "a derived row is computed from a stream that its person had forgotten",
    ),
    Rule(
        "derived_rows_differ", "derived", "a derived file holds another number of rows than the catalog says"
    ),
    Rule("derived_file_closed", "derived", "a live derived file does not open"),
    Rule("derived_file_plaintext", "derived", "a file of the derived or analytics zone is not encrypted"),
    Rule("replaced_file_opens", "derived", "a file that is not live opens with a key that exists"),
    Rule("rewrite_overdue", "derived", "rows wait to be rewritten past their due date"),
)

_CONTROL = (
    Rule("unknown_table", "control", "the control database has a table that the schema does not name"),
    Rule("subject_row", "control", "a target's subject row is there", about_targets=True),
    Rule("subject_without_key", "control", "a subject row is there whose identity key is gone"),
    Rule("alias_row", "control", "a target's alias row is there", about_targets=True),
    Rule("alias_of_nobody", "control", "an alias row is there whose identity key is gone"),
    Rule("upload_device_row", "control", "a device of a target is there", about_targets=True),
    Rule("upload_device_of_nobody", "control", "a device is there whose owner's identity key is gone"),
    Rule("consent_row", "control", "a decision about consent of a target is there", about_targets=True),
    Rule(
        "consent_of_nobody",
        "control",
        "a decision about consent is there whose person's identity key is gone",
    ),
    Rule(
        "identity_change_names_target",
        "control",
        "what an identity change has sealed under another's key names a target",
        about_targets=True,
    ),
    Rule(
        "identity_change_of_nobody",
        "control",
        "an identity change holds something sealed that no key opens",
    ),
    Rule("keyring_row", "control", "a target's keyring row is there", about_targets=True),
    Rule("tombstone_missing", "control", "a target's alias has no tombstone", about_targets=True),
    Rule("target_in_cell", "control", "a cell names a target", about_targets=True),
    Rule(
        "target_in_database_bytes",
        "control",
        "free space of the database file names a target",
        about_targets=True,
    ),
    Rule(
        "target_in_write_ahead_log",
        "control",
        "the database's write-ahead log names a target",
        about_targets=True,
    ),
    Rule("row_of_recorded_destruction", "control", "a row is there that the journal says was destroyed"),
    Rule("request_not_shredded", "control", "a closed request's sealed part can still be opened"),
)

_COPIES = (
    Rule("copy_residue", "copies", "a copy holds what its inspector says must not be there"),
    Rule(
        "copy_unreachable",
        "copies",
        "a copy does not answer or cannot be opened, so that nothing is known about it",
    ),
    Rule("copy_undeclared", "copies", "the catalog or the disk has objects of a copy that is not declared"),
    Rule("copy_item_expired", "copies", "an object of a copy is past its time to live"),
)

_DAGSTER = (
    Rule(
        "target_in_dagster_name", "dagster", "the name of a file or folder names a target", about_targets=True
    ),
    Rule("target_in_dagster_file", "dagster", "a file names a target", about_targets=True),
    Rule("target_in_dagster_cell", "dagster", "a database cell names a target", about_targets=True),
    Rule("dagster_pickle", "dagster", "an asset's value was stored"),
    Rule("dagster_output", "dagster", "the output of a step was captured"),
    Rule("dagster_address", "dagster", "a cell or text file holds an e-mail address"),
    Rule("dagster_inbox_path", "dagster", "a cell or text file holds the path of an inbox file"),
)

_RETENTION = (
    Rule("partition_overdue", "retention", "an open partition is past its window"),
    Rule("hold_partition_overdue", "retention", "an open partition belongs to a hold that was released"),
    Rule("class_without_rule", "retention", "an open partition lives under a class that no policy names"),
    Rule("row_outside_period", "retention", "a row's day is not one of its partition's period"),
)

_INBOX = (
    Rule("inbox_file_of_erased", "inbox", "a file waits in the folder of an erased account"),
    Rule("target_in_inbox", "inbox", "a waiting file names a target", about_targets=True),
)

_LINEAGE = (
    Rule("ledger_broken", "ledger", "the ledger, a signature on it or its witness does not check out"),
    Rule("journal_broken", "ledger", "the journal of destructions was cut or altered, or does not open"),
    Rule("target_in_lineage", "lineage", "a lineage event names a target", about_targets=True),
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            *_STORAGE,
            *_KEYS,
            *_RAW,
            *_DERIVED,
            *_CONTROL,
            *_COPIES,
            *_DAGSTER,
            *_RETENTION,
            *_INBOX,
            *_LINEAGE,
        )
    }
)
"""Every rule by name."""
