"""pynetdicom against a running center that has the samples: usage: peer.py PORT RECEIVER_PORT SAMPLES.

Asks and retrieves as devices negotiate it, well and badly. Ends with the first thing that is not as it should be.
"""

import io
import os
import pathlib
import random
import sys
import threading
import time
import traceback

import numpy
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian,
                         ImplicitVRLittleEndian, JPEGBaseline8Bit, JPEGLSLossless)
from pynetdicom import AE, build_role, evt
from pynetdicom.dimse_primitives import C_FIND, C_MOVE
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import (PatientRootQueryRetrieveInformationModelFind,
                                  PatientRootQueryRetrieveInformationModelMove,
                                  StudyRootQueryRetrieveInformationModelFind,
                                  StudyRootQueryRetrieveInformationModelGet,
                                  StudyRootQueryRetrieveInformationModelMove)

import pynetdicom_pause  # noqa: F401

port, receiver_port, samples = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
files = {}
for path in sorted(samples.rglob("*.dcm")):
    ds = pydicom.dcmread(path)
    files[ds.SOPInstanceUID] = ds
studies = {}
for ds in files.values():
    studies.setdefault(ds.StudyInstanceUID, []).append(ds)
ct = next(group for group in studies.values() if group[0].Modality == "CT")
us = next(group for group in studies.values() if group[0].Modality == "US")

FIND = StudyRootQueryRetrieveInformationModelFind
PATIENT_FIND = PatientRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet
MOVE = StudyRootQueryRetrieveInformationModelMove


def same(what, found, expected):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


def keys(level, **values):
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for name, value in values.items():
        setattr(ds, name, value)
    return ds


def extended(uid, information):
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = uid
    item.service_class_application_information = information
    return item


def associate(contexts, title="WS_COUNTY", ext_neg=None, handlers=None):
    ae = AE(ae_title=title)
    for uid, syntaxes in contexts:
        ae.add_requested_context(uid, syntaxes)
    assoc = ae.associate("127.0.0.1", port, ae_title="YUNYING", ext_neg=ext_neg, evt_handlers=handlers)
    assert assoc.is_established, "no association"
    return assoc


PLAIN = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]


def find(query, model=FIND, title="WS_COUNTY", ext_neg=None, syntaxes=PLAIN):
    """Every answer with its status, and the final status."""
    assoc = associate([(model, syntaxes)], title, ext_neg)
    answers = list(assoc.send_c_find(query, model))
    assoc.release()
    same("pending", [s.Status for s, ds in answers[:-1] if s.Status not in (0xFF00, 0xFF01)], [])
    return answers[:-1], answers[-1][0]


def matching():
    name = str(ct[0].PatientName).rstrip("=")
    latin, han = name.split("=")[0], name.split("=")[1]
    for asked, charset in [(latin, None), (latin.split("^")[0] + "^*", None), (latin.lower(), None),
                           (han, "ISO_IR 192"), (han, "GB18030"), (han[0] + "*", "GB18030"), (name, "ISO_IR 192"),
                           (han, ["", "ISO 2022 IR 58"]), (han[0] + "?" + han[2:], "ISO_IR 192")]:
        query = keys("STUDY", PatientName=asked, StudyInstanceUID="")
        if charset:
            query.SpecificCharacterSet = charset
        found, last = find(query)
        same(f"name {asked}", [ds.StudyInstanceUID for _, ds in found], [ct[0].StudyInstanceUID])
        same("final", last.Status, 0x0000)
        # pydicom leaves the escape sequences of GB 2312 in what it reads.
        same("the name came back", str(found[0][1].PatientName).replace("\x1b$)A", "").rstrip("="), name)
        same("in the character set of the query", found[0][1].SpecificCharacterSet, charset or "ISO_IR 192")
    # Every study, in the characters its device wrote.
    found, _ = find(keys("STUDY", PatientName="", StudyInstanceUID=""))
    same("names", {ds.StudyInstanceUID: str(ds.PatientName).rstrip("=") for _, ds in found},
         {uid: str(group[0].PatientName).rstrip("=") for uid, group in studies.items()})
    for wanted, query in [
        ([ct], keys("STUDY", StudyDate=f"{ct[0].StudyDate}-", PatientID=ct[0].PatientID)),
        ([], keys("STUDY", StudyDate="19000101-19001231")),
        ([ct, us], keys("STUDY", StudyInstanceUID=[ct[0].StudyInstanceUID, us[0].StudyInstanceUID])),
        ([us], keys("STUDY", ModalitiesInStudy="US")),
        ([ct], keys("STUDY", AccessionNumber=ct[0].AccessionNumber)),
        ([ct], keys("STUDY", PatientID="?" + ct[0].PatientID[1:])),
        ([], keys("STUDY", PatientID="no such id")),
    ]:
        query.StudyInstanceUID = query.get("StudyInstanceUID", "")
        found, last = find(query)
        same(f"{query}", sorted(ds.StudyInstanceUID for _, ds in found),
             sorted(group[0].StudyInstanceUID for group in wanted))
        same("final", last.Status, 0)


def attributes():
    query = keys("SERIES", StudyInstanceUID=ct[0].StudyInstanceUID, SeriesInstanceUID="", SeriesNumber=None,
                 Modality="", NumberOfSeriesRelatedInstances=None, ManufacturerModelName="", PatientName="",
                 StudyDate="", SeriesDescription="", InstanceAvailability="")
    found, last = find(query)
    expected = {}
    for ds in ct:
        expected.setdefault(ds.SeriesInstanceUID, []).append(ds)
    same("series", {ds.SeriesInstanceUID: ds.NumberOfSeriesRelatedInstances for _, ds in found},
         {uid: len(group) for uid, group in expected.items()})
    for status, ds in found:
        sample = expected[ds.SeriesInstanceUID][0]
        same("status", status.Status, 0xFF00)
        same("level", (ds.QueryRetrieveLevel, ds.RetrieveAETitle, ds.InstanceAvailability),
             ("SERIES", "YUNYING", "ONLINE"))
        same("from the header", ds.ManufacturerModelName, sample.ManufacturerModelName)
        same("from above", (ds.StudyDate, str(ds.PatientName)), (sample.StudyDate, str(sample.PatientName)))
    # Nothing that was not asked for; a key that cannot be matched is said to be none.
    found, _ = find(keys("STUDY", StudyInstanceUID=ct[0].StudyInstanceUID, PatientWeight="70"))
    same("unsupported", [status.Status for status, _ in found], [0xFF01])
    same("only what was asked for", {e.keyword for e in found[0][1]} - {"PatientWeight"},
         {"QueryRetrieveLevel", "RetrieveAETitle", "StudyInstanceUID"})
    query = keys("IMAGE", StudyInstanceUID=us[0].StudyInstanceUID, SeriesInstanceUID="", SOPInstanceUID="")
    images = []
    for uid in {ds.SeriesInstanceUID for ds in us}:
        query.SeriesInstanceUID = uid
        query.NumberOfFrames = None
        query.Rows = None
        found, _ = find(query, syntaxes=[ExplicitVRLittleEndian])
        images += [(ds.SOPInstanceUID, ds.NumberOfFrames, ds.Rows) for _, ds in found]
    same("images", sorted(images), sorted((ds.SOPInstanceUID, int(ds.get("NumberOfFrames", 1)), ds.Rows) for ds in us))
    patient = keys("PATIENT", PatientID=ct[0].PatientID, PatientName="", NumberOfPatientRelatedStudies=None)
    found, _ = find(patient, PATIENT_FIND)
    same("patient", [(ds.PatientID, ds.NumberOfPatientRelatedStudies) for _, ds in found], [(ct[0].PatientID, 1)])


def models_and_levels():
    """Relational queries only where they were negotiated; levels only of their model."""
    series = keys("SERIES", Modality="CT", SeriesInstanceUID="")
    found, last = find(series)
    same("hierarchical", (found, last.Status), ([], 0xA900))
    same("offends", last.OffendingElement, 0x0020000D)
    relational = [extended(FIND, b"\x01\x01\x01\x00")]
    found, last = find(series, ext_neg=relational)
    same("relational", ({ds.SeriesInstanceUID for _, ds in found}, last.Status),
         ({ds.SeriesInstanceUID for ds in ct}, 0))
    images, _ = find(keys("IMAGE", PatientID=ct[0].PatientID, SOPInstanceUID=""), ext_neg=relational)
    same("all of a patient", len(images), len(ct))
    found, last = find(keys("PATIENT", PatientID="*"))
    same("no such level", last.Status, 0xA900)
    found, last = find(keys("STUDY", StudyInstanceUID=""), PATIENT_FIND)
    same("no patient", last.Status, 0xA900)
    found, last = find(keys("STUDY", StudyDate="yesterday"))
    same("no date", last.Status, 0xA900)


def extended_negotiation():
    assoc = associate([(FIND, PLAIN)], ext_neg=[extended(FIND, b"\x01\x01\x01\x00\x00")])
    agreed = assoc.acceptor.sop_class_extended
    same("agreed", agreed[FIND], b"\x01\x00\x01\x00\x00")
    han = str(ct[0].PatientName).split("=")[1].replace("^", "")
    query = keys("STUDY", PatientName=han, StudyInstanceUID="")
    query.SpecificCharacterSet = "GB18030"
    answers = list(assoc.send_c_find(query, FIND))
    same("fuzzy", [ds.StudyInstanceUID for _, ds in answers if ds], [ct[0].StudyInstanceUID])
    latin = str(ct[0].PatientName).split("=")[0]
    answers = list(assoc.send_c_find(keys("STUDY", PatientName=latin.replace("^", ""), StudyInstanceUID=""), FIND))
    same("by sound", [ds.StudyInstanceUID for _, ds in answers if ds], [ct[0].StudyInstanceUID])
    assoc.release()


def odd_negotiation():
    ae = AE(ae_title="WS_COUNTY")
    ae.add_requested_context(FIND, [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
    ae.add_requested_context("1.2.840.10008.1.1")
    ae.add_requested_context("1.2.840.10008.5.1.4.1.2.4.2")
    assoc = ae.associate("127.0.0.1", port, ae_title="YUNYING")
    results = {c.abstract_syntax: c.result for c in assoc.rejected_contexts}
    same("rejected", results, {FIND: 4, "1.2.840.10008.5.1.4.1.2.4.2": 3})
    same("echo", assoc.send_c_echo().Status, 0)
    assoc.release()


def cancels():
    assoc = associate([(FIND, PLAIN)], ext_neg=[extended(FIND, b"\x01")])
    seen, last = 0, None
    for status, ds in assoc.send_c_find(keys("IMAGE", SOPInstanceUID=""), FIND, msg_id=9):
        last = status.Status
        if ds:
            seen += 1
            if seen == 1:
                assoc.send_c_cancel(9, query_model=FIND)
    # The center may have been faster than the cancel.
    assert last in (0xFE00, 0x0000), hex(last)
    same("still there", [s.Status for s, _ in assoc.send_c_find(keys("STUDY", PatientID="none"), FIND)], [0])
    assoc.release()


def bent(good, chance):
    """Cut off, with some other bytes, with a piece twice, or nothing but noise."""
    data, at = bytearray(good), 1 + chance.randrange(len(good) - 1)
    match chance.randrange(4):
        case 0:
            return bytes(data[:at])
        case 1:
            for _ in range(1 + chance.randrange(8)):
                data[chance.randrange(len(data))] = chance.choice((0, 0x5C, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            return bytes(data)
        case 2:
            return bytes(data[:at] + data[chance.randrange(len(data)):])
        case _:
            return chance.randbytes(1 + chance.randrange(4000))


def hostile():
    """Whatever an identifier is, a status answers it, and the association goes on."""
    study = keys("STUDY", PatientName="*", StudyInstanceUID="", StudyDate="20200101-", ModalitiesInStudy="CT")
    chance = random.Random(7)
    for primitive, uid in ((C_FIND, FIND), (C_MOVE, MOVE)):
        assoc = associate([(uid, [ImplicitVRLittleEndian])])
        context = assoc.accepted_contexts[0].context_id
        assoc._reactor_checkpoint.clear()
        seen = set()
        for number in range(1, 301):
            request = primitive()
            request.MessageID, request.AffectedSOPClassUID, request.Priority = number, uid, 2
            request.Identifier = io.BytesIO(bent(encode(study, True, True), chance))
            if primitive is C_MOVE:
                request.MoveDestination = "NOBODY"
            assoc.dimse.send_msg(request, context)
            status = 0xFF00
            while status in (0xFF00, 0xFF01):
                _, answer = assoc.dimse.get_msg(block=True)
                assert answer is not None, f"no answer to the identifier {number} of seed 7"
                status = answer.Status
            seen.add(status)
        assert seen <= {0x0000, 0xA801, 0xA900, 0xC000}, [hex(status) for status in seen]
        assert {0xA900, 0xC000} <= seen, [hex(status) for status in seen]
        assoc._reactor_checkpoint.set()
        assoc.release()
    same("still there", find(keys("STUDY", PatientID="none"))[1].Status, 0)


class Workstation:
    """Takes what is sent to it, slowly if it should."""

    def __init__(self, syntaxes, status=0x0000, pause=0.0):
        self.taken, self.originators, self.status, self.pause = {}, set(), status, pause
        ae = AE(ae_title="WS_COUNTY")
        for uid in {ds.SOPClassUID for ds in files.values()}:
            ae.add_supported_context(uid, syntaxes)
        self.server = ae.start_server(("127.0.0.1", receiver_port), block=False, evt_handlers=[(evt.EVT_C_STORE, self.take)])

    def take(self, event):
        time.sleep(self.pause)
        ds = event.dataset
        ds.file_meta = event.file_meta
        self.taken[ds.SOPInstanceUID] = ds
        self.originators.add((event.request.MoveOriginatorApplicationEntityTitle, event.request.MoveOriginatorMessageID))
        return self.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()


def counts(status):
    return tuple(status.get(name, None) for name in (
        "NumberOfRemainingSuboperations", "NumberOfCompletedSuboperations", "NumberOfFailedSuboperations",
        "NumberOfWarningSuboperations"))


def move(query, to="WS_COUNTY", msg_id=5, cancel_after=None):
    assoc = associate([(MOVE, PLAIN)])
    answers = []
    for status, ds in assoc.send_c_move(query, to, MOVE, msg_id=msg_id):
        answers.append((status, ds))
        if cancel_after is not None and len(answers) == cancel_after:
            assoc.send_c_cancel(msg_id, query_model=MOVE)
    assoc.release()
    return answers


def moves():
    study = keys("STUDY", StudyInstanceUID=ct[0].StudyInstanceUID)
    with Workstation([JPEGLSLossless]) as workstation:
        answers = move(study)
        same("final", (answers[-1][0].Status, counts(answers[-1][0])), (0, (None, len(ct), 0, 0)))
        same("first", counts(answers[0][0]), (len(ct), 0, 0, 0))
        same("taken", set(workstation.taken), {ds.SOPInstanceUID for ds in ct})
        same("originator", workstation.originators, {("WS_COUNTY", 5)})
        for uid, ds in workstation.taken.items():
            same("transfer syntax", ds.file_meta.TransferSyntaxUID, JPEGLSLossless)
            same("pixels", ds.PixelData, files[uid].PixelData)
    with Workstation([ImplicitVRLittleEndian]) as workstation:
        same("final", move(study)[-1][0].Status, 0)
        for uid, ds in workstation.taken.items():
            same("transfer syntax", ds.file_meta.TransferSyntaxUID, ImplicitVRLittleEndian)
            assert numpy.array_equal(ds.pixel_array, files[uid].pixel_array), uid
            same("name", str(ds.PatientName), str(files[uid].PatientName))
    with Workstation(PLAIN, status=0xB000) as workstation:
        last, _ = move(study)[-1]
        same("all with warnings", (last.Status, counts(last)), (0xB000, (None, 0, 0, len(ct))))
    with Workstation(PLAIN, status=0xA700) as workstation:
        last, identifier = move(study)[-1]
        same("all refused", (last.Status, counts(last)), (0xA702, (None, 0, len(ct), 0)))
        same("which", set(identifier.FailedSOPInstanceUIDList), {ds.SOPInstanceUID for ds in ct})
    with Workstation(PLAIN, pause=0.1) as workstation:
        last, _ = move(study, cancel_after=3)[-1]
        remaining, completed, failed, warning = counts(last)
        same("cancelled", last.Status, 0xFE00)
        assert 0 < completed < len(ct) and completed + remaining == len(ct) and failed == 0, counts(last)
        same("only those", len(workstation.taken), completed)
    same("stranger", move(study, to="NOBODY")[-1][0].Status, 0xA801)
    same("nobody listens", move(study)[-1][0].Status, 0xA702)
    same("everything", move(keys("STUDY", StudyInstanceUID=""))[-1][0].Status, 0xA900)
    same("nothing", counts(move(keys("STUDY", StudyInstanceUID="1.2.3"))[-1][0]), (None, 0, 0, 0))


def get(query, storage, roles=True, refuse=False):
    ae = AE(ae_title="WS_COUNTY")
    ae.add_requested_context(GET, PLAIN)
    for uid, syntaxes in storage:
        for syntax in syntaxes:
            ae.add_requested_context(uid, syntax)
    taken = {}

    def take(event):
        ds = event.dataset
        ds.file_meta = event.file_meta
        taken[ds.SOPInstanceUID] = ds
        return 0xA700 if refuse else 0x0000

    ext_neg = [build_role(uid, scp_role=True) for uid, _ in storage] if roles else []
    assoc = ae.associate("127.0.0.1", port, ae_title="YUNYING", ext_neg=ext_neg, evt_handlers=[(evt.EVT_C_STORE, take)])
    assert assoc.is_established
    answers = list(assoc.send_c_get(query, GET, msg_id=3))
    assoc.release()
    return taken, answers


def gets():
    study = keys("STUDY", StudyInstanceUID=us[0].StudyInstanceUID)
    classes = sorted({ds.SOPClassUID for ds in us})
    taken, answers = get(study, [(uid, [JPEGBaseline8Bit, ExplicitVRLittleEndian]) for uid in classes])
    same("final", (answers[-1][0].Status, counts(answers[-1][0])), (0, (None, len(us), 0, 0)))
    for uid, ds in taken.items():
        same("as it is stored", (ds.file_meta.TransferSyntaxUID, ds.PixelData),
             (files[uid].file_meta.TransferSyntaxUID, files[uid].PixelData))
    taken, answers = get(study, [(classes[0], [ImplicitVRLittleEndian])])
    wanted = [ds for ds in us if ds.SOPClassUID == classes[0]]
    same("one class only", set(taken), {ds.SOPInstanceUID for ds in wanted})
    last, identifier = answers[-1]
    same("incomplete", (last.Status, counts(last)), (0xB000, (None, len(wanted), len(us) - len(wanted), 0)))
    left = {ds.SOPInstanceUID for ds in us} - set(taken)
    same("which", left, set([identifier.FailedSOPInstanceUIDList] if len(left) == 1 else identifier.FailedSOPInstanceUIDList))
    taken, answers = get(study, [(uid, [ExplicitVRLittleEndian]) for uid in classes], roles=False)
    same("no role", (taken, answers[-1][0].Status), ({}, 0xA702))
    taken, answers = get(study, [(uid, [ExplicitVRLittleEndian]) for uid in classes], refuse=True)
    same("refused", answers[-1][0].Status, 0xA702)


def many_at_once():
    failures = []

    def ask():
        try:
            for _ in range(5):
                found, last = find(keys("STUDY", StudyInstanceUID=""))
                same("at once", (len(found), last.Status), (len(studies), 0))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    same("failures", failures, [])


for step in (matching, attributes, models_and_levels, extended_negotiation, odd_negotiation, cancels, hostile, moves,
             gets, many_at_once):
    try:
        step()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        # At once: associations that are still open have threads that would keep the process.
        os._exit(1)
    print(step.__name__, "ok", flush=True)
