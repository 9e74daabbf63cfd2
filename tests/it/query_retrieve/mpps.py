"""Performed procedure steps as pynetdicom tells of them: usage: mpps.py PORT SAMPLES.

A CT is sent between the beginning and the end of its step. Ends with the first thing that is not as it should be.
"""

import pathlib
import sys

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, ModalityPerformedProcedureStep

import pynetdicom_pause  # noqa: F401

port, samples = int(sys.argv[1]), pathlib.Path(sys.argv[2])
MPPS = ModalityPerformedProcedureStep
ct = [ds for ds in map(pydicom.dcmread, sorted(samples.rglob("*.dcm"))) if ds.Modality == "CT"]


def same(what, found, expected):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


def step(state, **more):
    ds = Dataset()
    ds.SpecificCharacterSet = "GB18030"
    ds.PatientName = "示例^患者"
    ds.PerformedProcedureStepStatus = state
    for name, value in more.items():
        setattr(ds, name, value)
    return ds


def scheduled():
    item = Dataset()
    item.StudyInstanceUID = ct[0].StudyInstanceUID
    return [item]


def series():
    item = Dataset()
    item.SeriesInstanceUID = ct[0].SeriesInstanceUID
    item.ReferencedImageSequence = []
    for image in ct:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
        item.ReferencedImageSequence.append(reference)
    return [item]


ae = AE(ae_title="QH_CT01")
ae.add_requested_context(MPPS)
ae.add_requested_context(CTImageStorage, JPEGLSLossless)
assoc = ae.associate("127.0.0.1", port, ae_title="YUNYING")
assert assoc.is_established, "no association"


def create(ds, uid):
    status, _ = assoc.send_n_create(ds, MPPS, uid)
    return status.Status, status.get("ErrorID")


def change(ds, uid):
    status, _ = assoc.send_n_set(ds, MPPS, uid)
    return status.Status, status.get("ErrorID")


uid = generate_uid()
begun = step("IN PROGRESS", ScheduledStepAttributesSequence=scheduled())
same("create", create(begun, uid), (0, None))
same("create again", create(begun, uid), (0x0111, None))
same("completed at once", create(step("COMPLETED", ScheduledStepAttributesSequence=scheduled()), generate_uid())[0], 0x0106)
same("of no study", create(step("IN PROGRESS"), generate_uid())[0], 0x0120)
same("unknown step", change(step("COMPLETED"), generate_uid())[0], 0x0112)
same("no state", change(step("PAUSED"), uid)[0], 0x0106)
for ds in ct:
    same("store", assoc.send_c_store(ds).Status, 0)
same("in progress", change(step("IN PROGRESS", PerformedSeriesSequence=series()), uid), (0, None))
same("completed", change(step("COMPLETED"), uid), (0, None))
same("over", change(step("DISCONTINUED"), uid), (0x0110, 0xA506))
assoc.release()
print("ok")
