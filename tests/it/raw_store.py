"""Pushes files that no whole DICOM implementation would: their data sets as they lie in the file, cut off or malformed.

raw_store.py ADDRESS FILE...

pynetdicom opens one association a file; the bytes after preamble and file meta go out untouched. What says nothing of its
SOP class or instance goes out as a secondary capture of an invented UID. One line of JSON a file: {"file", "status",
"invented"} or {"file", "error"}.
"""

import hashlib
import io
import json
import re
import struct
import sys
import warnings

import pydicom
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

import pynetdicom_pause  # noqa: F401

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


class Unsendable(Exception):
    pass


def text(value):
    return value.decode("latin-1").strip("\0 ")


def split(data):
    """File meta by element, and where the data set begins (PS3.10 7.1)."""
    meta, at = {}, 132 if data[128:132] == b"DICM" else 0
    while data[at : at + 2] == b"\x02\x00" and at + 8 <= len(data):
        element = struct.unpack_from("<H", data, at + 2)[0]
        if data[at + 4 : at + 6] in (b"OB", b"UN", b"OW", b"SQ", b"UT"):
            begin, length = at + 12, struct.unpack_from("<I", data, at + 8)[0]
        elif re.fullmatch(rb"[A-Z]{2}", data[at + 4 : at + 6]):
            begin, length = at + 8, struct.unpack_from("<H", data, at + 6)[0]
        else:
            begin, length = at + 8, struct.unpack_from("<I", data, at + 4)[0]
        if begin + length > len(data):
            raise Unsendable("it ends inside its file meta")
        meta[element] = data[begin : begin + length]
        at = begin + length
    return meta, at


def syntax(meta, dataset):
    stated = text(meta.get(0x0010, b""))
    if stated:
        return stated
    if re.fullmatch(rb"[A-Z]{2}", dataset[4:6]):
        return BIG if dataset[0] == 0 and dataset[1] else EXPLICIT
    return IMPLICIT


def request(path):
    with open(path, "rb") as file:
        data = file.read()
    meta, begin = split(data)
    dataset = data[begin:]
    if not dataset:
        raise Unsendable("it has no data set")
    read = {}
    try:
        read = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
    except Exception:
        # Whatever pydicom makes of such a file: what it can't say is invented below.
        pass
    sop_class = text(meta.get(0x0002, b"")) or str(read.get("SOPClassUID") or "")
    sop_instance = text(meta.get(0x0003, b"")) or str(read.get("SOPInstanceUID") or "")
    invented = not sop_class or not sop_instance
    sop_class = sop_class or SECONDARY_CAPTURE
    sop_instance = sop_instance or f"2.25.{int(hashlib.md5(data).hexdigest(), 16)}"
    message = C_STORE()
    message.MessageID = 1
    message.AffectedSOPClassUID = sop_class
    message.AffectedSOPInstanceUID = sop_instance
    message.Priority = 2
    message.DataSet = io.BytesIO(dataset)
    return message, syntax(meta, dataset), invented


def store(host, port, path):
    message, transfer_syntax, invented = request(path)
    ae = AE("PYNETDICOM")
    context = build_context(message.AffectedSOPClassUID, transfer_syntax)
    association = ae.associate(host, port, [context], ae_title="YUNYING")
    if not association.is_established:
        raise Unsendable(f"the center takes no {message.AffectedSOPClassUID} in {transfer_syntax}")
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(message, association.accepted_contexts[0].context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    if answer is None:
        raise Unsendable("no answer came")
    association.release()
    return {"status": answer.Status, "invented": invented}


def main():
    warnings.simplefilter("ignore")
    host, port = sys.argv[1].rsplit(":", 1)
    for path in sys.argv[2:]:
        said = {"file": path}
        try:
            said |= store(host, int(port), path)
        except Unsendable as why:
            said["error"] = str(why)
        except ValueError as why:
            said["error"] = f"pynetdicom refuses: {why}"
        print(json.dumps(said))


main()
