"""Untrusted XML: no entities, no network, no external files, no document type."""

from __future__ import annotations

import re

from lxml import etree

from deskbell.knowledge.extraction.document import Unreadable

ENTITY = re.compile(rb"<!ENTITY\b", re.I)
ELEMENT = re.compile(rb"<[A-Za-z_]")


def parse(data: bytes, what: str, *, recover: bool = False) -> etree._Element:
    """The root element. Raises `Unreadable`, naming `what`, if it is damaged or declares entities."""
    first = ELEMENT.search(prologue := data[:65536].replace(b"\x00", b""))
    if ENTITY.search(prologue, 0, first.start() if first else len(prologue)):
        raise Unreadable(f"{what} declares XML entities. They are not read, because they can be abused.")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=recover,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        raise Unreadable(f"{what} is damaged: its XML cannot be read, or is nested too deeply.") from None
    if root is None:
        raise Unreadable(f"{what} is damaged: it holds no XML.")
    return root


def local_name(element: etree._Element) -> str:
    """The name without its namespace; "" for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
