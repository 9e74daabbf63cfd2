"""Associations as odd devices open them, by pynetdicom, against what PS3.7 and PS3.8 want of the acceptor.

outside_dimse.py HOST:PORT FILE

The center knows the device PYNET. FILE is an uncompressed CT. Exit 0: everything was answered as it must be. Prints the SOP
Instance UID and the hash of every data set that was answered with success, a line of JSON each.
"""

import hashlib
import io
import json
import os
import queue
import socket
import struct
import sys
import traceback

import pydicom
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit
from pynetdicom import AE, evt
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.presentation import build_context

import pynetdicom_pause  # noqa: F401

VERIFICATION = "1.2.840.10008.1.1"
PRINT = "1.2.840.10008.5.1.1.9"
MR = "1.2.840.10008.5.1.4.1.1.4"
JPIP_REFERENCED = "1.2.840.10008.1.2.4.94"
NOT_A_STORAGE_CLASS = "1.2.840.10008.9.9.9"
CT, EXPLICIT, IMPLICIT = str(CTImageStorage), str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
ECHO = build_context(VERIFICATION, IMPLICIT)
STORE = build_context(CT, EXPLICIT)


class Peer:
    def __init__(self, address, path):
        host, port = address.rsplit(":", 1)
        self.host, self.port = host, int(port)
        self.file = pydicom.dcmread(path)
        self.number = 0

    def open(self, contexts, title="PYNET", called="YUNYING", max_pdu=16382, handlers=()):
        ae = AE(title)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
        options = {"ae_title": called, "max_pdu": max_pdu, "evt_handlers": list(handlers)}
        return ae.associate(self.host, self.port, list(contexts), **options)

    def object(self):
        """A fresh SOP instance and its data set's bytes."""
        self.number += 1
        uid = f"2.25.77{self.number:04}"
        self.file.SOPInstanceUID = uid
        return uid, encode(self.file, False, True)

    def echo(self):
        association = self.open([ECHO])
        expect("echo", association.send_c_echo().Status, 0)
        association.release()


def fail(what):
    """At once: associations that are still open have threads that would keep the process."""
    print(what, file=sys.stderr, flush=True)
    os._exit(1)


def expect(what, found, wanted):
    if found != wanted:
        fail(f"{what}: {found!r}, expected {wanted!r}")


def take(received):
    """What pynetdicom's threads received, once they did."""
    try:
        return received.get(timeout=20)
    except queue.Empty:
        return None


def stored(uid, dataset):
    print(json.dumps({"uid": uid, "sha256": hashlib.sha256(dataset).hexdigest()}))


def request(uid, dataset, message_id=1):
    primitive = C_STORE()
    primitive.MessageID = message_id
    primitive.AffectedSOPClassUID = CT
    primitive.AffectedSOPInstanceUID = uid
    primitive.Priority = 0
    primitive.DataSet = io.BytesIO(dataset)
    return primitive


def fragments(primitive, kind, context, size):
    """The PDVs of a message, each no longer than `size`; their first byte tells command and last (PS3.8 E.2)."""
    message = kind()
    message.primitive_to_message(primitive)
    return [pdv for p_data in message.encode_msg(context, size) for pdv in p_data.presentation_data_value_list]


def send_pdvs(association, groups):
    for group in groups:
        primitive = P_DATA()
        primitive.presentation_data_value_list = [list(pdv) for pdv in group]
        association.dul.send_pdu(primitive)


def answer(association):
    _, message = association.dimse.get_msg(block=True)
    if message is None:
        fail("no answer")
    return message


def by_hand(association):
    """pynetdicom's own thread must not take the answers."""
    association._reactor_checkpoint.clear()
    return association.accepted_contexts[0].context_id


def store(peer, association, size, packing):
    context = by_hand(association)
    uid, dataset = peer.object()
    pdvs = fragments(request(uid, dataset), C_STORE_RQ, context, size)
    send_pdvs(association, packing(pdvs))
    expect(f"C-STORE of {len(pdvs)} fragments", answer(association).Status, 0)
    association._reactor_checkpoint.set()
    association.release()
    stored(uid, dataset)


def unknown_beside_good(peer):
    contexts = [build_context(NOT_A_STORAGE_CLASS), build_context(PRINT), STORE, build_context(CT, JPIP_REFERENCED)]
    association = peer.open(contexts)
    answered = association.accepted_contexts + association.rejected_contexts
    # PS3.8 table 9-18: unknown to us, no storage, good, no syntax that carries pixels.
    expect("results", [c.result for c in sorted(answered, key=lambda c: c.context_id)], [3, 3, 0, 4])
    uid, dataset = peer.object()
    expect("C-STORE beside rejected contexts", association.send_c_store(peer.file).Status, 0)
    association.release()
    stored(uid, dataset)


def nothing_acceptable(peer):
    association = peer.open([build_context(NOT_A_STORAGE_CLASS)])
    expect("contexts accepted", [c.abstract_syntax for c in association.accepted_contexts], [])
    if association.is_established:
        association.release()


def many_contexts(peer):
    syntaxes = [EXPLICIT, IMPLICIT, str(JPEGBaseline8Bit)]
    contexts = [build_context(f"1.2.840.10008.5.1.4.1.1.{n}", syntaxes[n % 3]) for n in range(300, 426)]
    association = peer.open([*contexts, STORE, ECHO])
    expect("128 contexts accepted", len(association.accepted_contexts), 128)
    uid, dataset = peer.object()
    expect("C-STORE on the 127th", association.send_c_store(peer.file).Status, 0)
    expect("C-ECHO on the last", association.send_c_echo().Status, 0)
    association.release()
    stored(uid, dataset)


def many_syntaxes_first_choice(peer):
    """The requestor's order counts, but among the uncompressed ones Explicit VR does."""
    jpeg = str(JPEGBaseline8Bit)
    contexts = [build_context(CT, [jpeg, EXPLICIT]), build_context(MR, [IMPLICIT, EXPLICIT])]
    association = peer.open(contexts)
    expect("syntaxes", [c.transfer_syntax[0] for c in association.accepted_contexts], [jpeg, EXPLICIT])
    association.release()


def small_and_unlimited_pdus(peer):
    for limit in (0, 128, 1024, 131072):
        longest = []
        seen = [(evt.EVT_DATA_RECV, lambda event: longest.append(len(event.data) - 6))]
        association = peer.open([STORE, ECHO], max_pdu=limit, handlers=seen)
        after_negotiation = len(longest)
        uid, dataset = peer.object()
        expect(f"C-STORE, our limit {limit}", association.send_c_store(peer.file).Status, 0)
        expect(f"C-ECHO, our limit {limit}", association.send_c_echo().Status, 0)
        association.release()
        longest = max(longest[after_negotiation:])
        expect(f"a PDU of {longest} within {limit}", limit == 0 or longest <= limit, True)
        stored(uid, dataset)


def one_each(pdvs):
    return [[pdv] for pdv in pdvs]


def as_many_as_fit(pdvs):
    """PDUs as long as the center says it takes."""
    groups, room = [], 0
    for pdv in pdvs:
        # Item length and context id in front of each (PS3.8 9.3.5.1).
        cost = 5 + len(pdv[1])
        if cost > room:
            groups.append([])
            room = 262144
        groups[-1].append(pdv)
        room -= cost
    return groups


def in_threes(pdvs):
    return [pdvs[at : at + 3] for at in range(0, len(pdvs), 3)]


def fragmented(peer):
    sizes = (64, one_each), (64, in_threes), (100, as_many_as_fit), (1000, as_many_as_fit), (16382, as_many_as_fit)
    for size, packing in sizes:
        store(peer, peer.open([STORE]), size, packing)


def empty_fragments(peer):
    """Fragments without a byte, among them the last one, which alone says that it is."""

    def packing(pdvs):
        command, data = pdvs[:1], pdvs[1:]
        context, last = data[-1]
        data[-1] = (context, bytes([last[0] & ~2]) + last[1:])
        nothing, end = (context, b"\x00"), (context, b"\x02")
        return [[*command, nothing], *[[pdv, nothing] for pdv in data], [nothing, end]]

    store(peer, peer.open([STORE]), 4096, packing)


def echo_within_an_object(peer):
    association = peer.open([STORE, ECHO])
    context = by_hand(association)
    uid, dataset = peer.object()
    pdvs = fragments(request(uid, dataset), C_STORE_RQ, context, 4096)
    send_pdvs(association, one_each(pdvs[:4]))
    echo = C_ECHO()
    echo.MessageID = 99
    echo.AffectedSOPClassUID = VERIFICATION
    other = next(c.context_id for c in association.accepted_contexts if c.abstract_syntax == VERIFICATION)
    send_pdvs(association, one_each(fragments(echo, C_ECHO_RQ, other, 4096)))
    expect("an echo in the middle", answer(association).MessageIDBeingRespondedTo, 99)
    send_pdvs(association, one_each(pdvs[4:]))
    expect("the object around it", answer(association).Status, 0)
    association._reactor_checkpoint.set()
    association.release()
    stored(uid, dataset)


def object_within_an_object(peer):
    """Nothing was agreed of more than one operation at a time, so this is an error; it must not be a silence."""
    aborts = queue.Queue()

    def received(event):
        if isinstance(event.pdu, A_ABORT_RQ):
            aborts.put((event.pdu.source, event.pdu.reason_diagnostic))

    association = peer.open([STORE, build_context(CT, IMPLICIT)], handlers=[(evt.EVT_PDU_RECV, received)])
    first, second = [c.context_id for c in association.accepted_contexts]
    by_hand(association)
    uid, dataset = peer.object()
    send_pdvs(association, one_each(fragments(request(uid, dataset), C_STORE_RQ, first, 4096)[:3]))
    send_pdvs(association, one_each(fragments(request(uid + ".1", dataset, 2), C_STORE_RQ, second, 4096)))
    # PS3.8 table 9-26: by the service provider, for a parameter it did not expect.
    expect("the abort for an object within another", take(aborts), (2, 5))
    association._reactor_checkpoint.set()
    association.join(10)


def cut_off(peer):
    """Half an object, then an abort, then a connection that is simply gone: neither is stored, nobody else notices."""
    for leave in (lambda a: a.abort(), lambda a: a.dul.socket.close()):
        association = peer.open([STORE])
        context = by_hand(association)
        uid, dataset = peer.object()
        send_pdvs(association, one_each(fragments(request(uid, dataset), C_STORE_RQ, context, 4096)[:5]))
        peer.echo()
        association._reactor_checkpoint.set()
        leave(association)
        peer.echo()


def rejected(peer, what, wanted, **names):
    answers = queue.Queue()
    handlers = [(evt.EVT_PDU_RECV, lambda event: answers.put(event.pdu))]
    association = peer.open([ECHO, STORE], handlers=handlers, **names)
    expect(f"{what} is let in", association.is_established, False)
    # pynetdicom's own flag is set a moment after it returns, on a busy machine.
    answer = take(answers)
    expect(f"the answer to {what}", type(answer), A_ASSOCIATE_RJ)
    # PS3.8 table 9-21: rejected for good, by the service user.
    expect(what, (answer.result, answer.source, answer.reason_diagnostic), (1, 1, wanted))


def strangers(peer):
    rejected(peer, "an unknown calling AE title", 3, title="STRANGER")
    rejected(peer, "an AE title in other letters", 3, title="pynet")
    rejected(peer, "an unknown called AE title", 7, called="SOMEBODY")


def other_protocol_version(peer):
    body = struct.pack(">HH16s16s32x", 2, 0, b"YUNYING".ljust(16), b"PYNET".ljust(16))
    with socket.create_connection((peer.host, peer.port), 10) as stream:
        stream.sendall(b"\x01\x00" + struct.pack(">I", len(body)) + body)
        expect("protocol version 2 only", stream.recv(10), bytes([3, 0, 0, 0, 0, 4, 0, 1, 2, 2]))


def main():
    peer = Peer(*sys.argv[1:3])
    for trial in (
        unknown_beside_good,
        nothing_acceptable,
        many_contexts,
        many_syntaxes_first_choice,
        small_and_unlimited_pdus,
        fragmented,
        empty_fragments,
        echo_within_an_object,
        object_within_an_object,
        cut_off,
        strangers,
        other_protocol_version,
    ):
        trial(peer)
        peer.echo()
        print(f"{trial.__name__}: ok", file=sys.stderr)


try:
    main()
except Exception:
    fail(traceback.format_exc())
