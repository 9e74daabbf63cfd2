"""Registered exams as devices find, begin, end and send them: usage: worklist.py DIMSE_PORT HTTP_PORT SAMPLES PASSWORD WHAT.

WHAT is `register` (as the operators of two sites; prints the exam's name) or `devices`, after it: pynetdicom as the devices of
one of them. Ends with the first thing that is not as it should be.
"""

import datetime
import json
import pathlib
import sys
import time
import urllib.request

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, ModalityPerformedProcedureStep, ModalityWorklistInformationFind

port, http, samples, password, what = int(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4], sys.argv[5]
FIND, MPPS = ModalityWorklistInformationFind, ModalityPerformedProcedureStep
TODAY = datetime.date.today()


def same(what, found, expected):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


class Person:
    def __init__(self, login):
        self.cookie = self.csrf = ""
        me = self.ask("POST", "/api/v1/session", {"login": login, "password": password})
        self.csrf = me["csrf"]

    def ask(self, method, path, body=None):
        headers = {"Content-Type": "application/json", "Cookie": self.cookie, "X-Yunying-Csrf": self.csrf}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{http}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            for line in answer.headers.get_all("Set-Cookie") or []:
                self.cookie = line.split(";")[0]
            return json.loads(answer.read() or b"null")

    def register(self, name, **more):
        form = {"name": name, "sex": "female", "birth_date": "1968-04-12", "exam": "胸部 CT 平扫", "modality": "CT",
                "urgency": "routine", **more}
        return self.ask("POST", "/api/v1/orders", form)

    def order(self, order):
        return self.ask("GET", f"/api/v1/orders/{order}")


def register():
    wu, he = Person("wu"), Person("he")
    devices = {device["ae_title"]: device["device"] for device in wu.ask("GET", "/api/v1/orders")["devices"]}
    same("devices of the site", sorted(devices), ["QH_CT01", "QH_US01"])
    wu.register("王喆", device=devices["QH_CT01"], pid="M0007", accession="QH-1", time="00:01", question="咳嗽两周，排除结核",
                urgency="stat", requester="孙试用")
    wu.register("欧阳娜", modality="US", exam="腹部超声", pid="M0008", accession="QH-2", time="00:02", performer="赵六")
    wu.register("单晓宁", pid="M0009", accession="QH-3", time="00:03")
    cancelled = wu.register("不做了", accession="QH-4")
    wu.ask("POST", f"/api/v1/orders/{cancelled['order']}/cancel", {"version": cancelled["version"]})
    he.register("别处", accession="QH-1", pid="M0007")
    print("胸部 CT 平扫")


def query(charset=None, step=None, **keys):
    ds = Dataset()
    if charset:
        ds.SpecificCharacterSet = charset
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientWeight", "AccessionNumber",
                 "RequestedProcedureID", "RequestedProcedureDescription", "RequestedProcedurePriority", "StudyInstanceUID",
                 "RequestingPhysician", "RequestedProcedureComments"):
        setattr(ds, name, keys.pop(name, None if name == "PatientWeight" else ""))
    for name, value in keys.items():
        setattr(ds, name, value)
    ds.ReferencedStudySequence = []
    if step is None:
        ds.ScheduledProcedureStepSequence = []
    else:
        item = Dataset()
        for name in ("ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime",
                     "Modality", "ScheduledPerformingPhysicianName", "ScheduledProcedureStepDescription",
                     "ScheduledProcedureStepID", "ScheduledProcedureStepStatus", "PreMedication"):
            setattr(item, name, step.get(name, ""))
        ds.ScheduledProcedureStepSequence = [item]
    return ds


def associate(title, contexts=(FIND,)):
    ae = AE(ae_title=title)
    for uid in contexts:
        ae.add_requested_context(uid, JPEGLSLossless if uid == CTImageStorage else None)
    assoc = ae.associate("127.0.0.1", port, ae_title="YUNYING")
    assert assoc.is_established, "no association"
    return assoc


def find(title, ds, pending=0xFF00):
    assoc = associate(title)
    answers = list(assoc.send_c_find(ds, FIND))
    assoc.release()
    same("last status", answers[-1][0].Status, 0)
    for status, _ in answers[:-1]:
        same("pending status", status.Status, pending)
    return [found for _, found in answers[:-1]]


def names(title, ds):
    return [str(found.PatientName) for found in find(title, ds)]


ALL = ["Wang^Zhe=王^喆", "Ouyang^Na=欧阳^娜", "Shan^XiaoNing=单^晓宁"]


def keys():
    today = TODAY.strftime("%Y%m%d")
    for charset in (None, "ISO_IR 192", "GB18030"):
        found = find("QH_CT01", query(charset, {}))
        same(f"names in {charset}", [str(ds.PatientName) for ds in found], ALL)
        same("declared", {ds.SpecificCharacterSet for ds in found}, {charset or "ISO_IR 192"})
        assert all(str(ds.PatientName).split("=")[0].isascii() for ds in found), "a name that no old device reads"
        same("exam", found[0].RequestedProcedureDescription, "胸部 CT 平扫")
    # Said for the device, whatever it asks in.
    same("gb18030", [(ds.SpecificCharacterSet, str(ds.PatientName)) for ds in find("QH_US01", query(None, {}))],
         [("GB18030", name) for name in ALL])

    first = find("QH_CT01", query(None, {}))[0]
    step = first.ScheduledProcedureStepSequence[0]
    expected = {"PatientID": "M0007", "PatientBirthDate": "19680412", "PatientSex": "F", "AccessionNumber": "QH-1",
                "RequestedProcedurePriority": "STAT", "RequestingPhysician": "Sun^ShiYong=孙^试用",
                "RequestedProcedureComments": "咳嗽两周，排除结核", "PatientWeight": None}
    same("attributes", {name: str(first[name].value or "") or None for name in expected}, expected)
    same("no study refers", list(first.ReferencedStudySequence), [])
    same("step", (step.ScheduledStationAETitle, step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime,
                  step.Modality, step.ScheduledProcedureStepStatus, step.PreMedication or ""),
         ("QH_CT01", today, "000100", "CT", "SCHEDULED", ""))
    same("ids", (first.RequestedProcedureID[0], step.ScheduledProcedureStepID[0]), ("R", "S"))
    assert first.StudyInstanceUID.startswith("2.25.") and "Manufacturer" not in first
    # What is for any device of the site is for the one that asks.
    same("station", find("QH_CT01", query(None, {}))[2].ScheduledProcedureStepSequence[0].ScheduledStationAETitle, "QH_CT01")

    whole = find("QH_CT01", query())[0].ScheduledProcedureStepSequence[0]
    same("the whole sequence", (whole.Modality, whole.ScheduledProcedureStepDescription), ("CT", "胸部 CT 平扫"))
    tomorrow = (TODAY + datetime.timedelta(days=1)).strftime("%Y%m%d")
    for step, other, expected in [
        ({"Modality": "US"}, {}, ALL[1:2]),
        ({"ScheduledStationAETitle": "QH_CT01"}, {}, ALL),
        ({"ScheduledStationAETitle": "QH_US01"}, {}, ALL[1:]),
        ({"ScheduledStationAETitle": "QH_US01", "Modality": "US"}, {}, ALL[1:2]),
        ({"ScheduledProcedureStepStartDate": today}, {}, ALL),
        ({"ScheduledProcedureStepStartDate": f"{tomorrow}-"}, {}, []),
        ({"ScheduledProcedureStepStartDate": f"-{today}"}, {}, ALL),
        ({"ScheduledProcedureStepStartDate": f"{today}-{tomorrow}", "ScheduledProcedureStepStartTime": "000200-0010"}, {}, ALL[1:]),
        ({"ScheduledPerformingPhysicianName": "Zhao*"}, {}, ALL[1:2]),
        ({}, {"PatientName": "shan*"}, ALL[2:]),
        ({}, {"PatientName": "单*"}, ALL[2:]),
        ({}, {"PatientName": "OUYANG^NA"}, ALL[1:2]),
        ({}, {"PatientName": "王喆"}, ALL[:1]),
        ({}, {"PatientName": "wang^?he"}, ALL[:1]),
        ({}, {"PatientID": "M0008"}, ALL[1:2]),
        ({}, {"AccessionNumber": "QH-3"}, ALL[2:]),
        ({}, {"AccessionNumber": "QH-4"}, []),
        ({}, {"RequestedProcedureID": first.RequestedProcedureID}, ALL[:1]),
        ({}, {"StudyInstanceUID": first.StudyInstanceUID}, ALL[:1]),
    ]:
        same(f"{step} {other}", names("QH_CT01", query("GB18030", step, **other)), expected)
    same("another site's", names("NP_DR01", query(None, {})), ["Bie^Chu=别^处"])
    same("the county's own", names("WS_COUNTY", query(None, {})), [])

    unknown = find("QH_CT01", query(None, {}, PatientComments=""), pending=0xFF01)
    assert "PatientComments" not in unknown[0] and len(unknown) == 3
    unmatched = find("QH_CT01", query(None, {}, PatientWeight="70"), pending=0xFF01)
    same("not matched by", len(unmatched), 3)
    assoc = associate("QH_CT01")
    bad = list(assoc.send_c_find(query(None, {"ScheduledProcedureStepStartDate": "heute"}), FIND))
    same("no date", [status.Status for status, _ in bad], [0xA900])
    assoc.release()
    return first


def made(first, wu):
    """The exam is begun, sent and ended by a device that says so."""
    order = int(first.RequestedProcedureID[1:])
    ct = [ds for ds in map(pydicom.dcmread, sorted(samples.rglob("*.dcm"))) if ds.Modality == "CT"]
    step = Dataset()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.PatientID = first.PatientID
    scheduled = Dataset()
    scheduled.StudyInstanceUID, scheduled.AccessionNumber = first.StudyInstanceUID, first.AccessionNumber
    step.ScheduledStepAttributesSequence = [scheduled]
    assoc = associate("QH_CT01", (MPPS, CTImageStorage))
    uid = generate_uid()
    same("begun", assoc.send_n_create(step, MPPS, uid)[0].Status, 0)
    same("state", wu.order(order)["state"], "started")
    status = find("QH_CT01", query(None, {}, AccessionNumber="QH-1"))[0].ScheduledProcedureStepSequence[0]
    same("on the worklist", status.ScheduledProcedureStepStatus, "STARTED")
    ended = Dataset()
    ended.PerformedProcedureStepStatus = "DISCONTINUED"
    same("given up", assoc.send_n_set(ended, MPPS, uid)[0].Status, 0)
    same("state", wu.order(order)["state"], "scheduled")

    uid, series = generate_uid(), Dataset()
    same("begun again", assoc.send_n_create(step, MPPS, uid)[0].Status, 0)
    series.SeriesInstanceUID, series.ReferencedImageSequence = generate_uid(), []
    for ds in ct[:3]:
        ds.decode()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = first.StudyInstanceUID, series.SeriesInstanceUID, generate_uid()
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.PatientName, ds.PatientID, ds.AccessionNumber = first.PatientName, first.PatientID, first.AccessionNumber
        ds.SpecificCharacterSet = "GB18030"
        same("store", assoc.send_c_store(ds).Status, 0)
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        series.ReferencedImageSequence.append(reference)
    ended.PerformedProcedureStepStatus, ended.PerformedSeriesSequence = "COMPLETED", [series]
    same("ended", assoc.send_n_set(ended, MPPS, uid)[0].Status, 0)
    assoc.release()
    done = wu.order(order)
    same("state", done["state"], "done")
    same("worklist", names("QH_CT01", query(None, {})), ALL[1:])
    return order


def becomes_a_case(order, wu):
    deadline = time.monotonic() + 60
    while (case := wu.order(order)["case"]) is None or wu.ask("GET", f"/api/v1/cases/{case}/row")["state"] != "queued":
        assert time.monotonic() < deadline, "not queued"
        time.sleep(0.2)
    row = wu.ask("GET", f"/api/v1/cases/{case}/row")
    same("case", (row["question"], row["urgency"], row["accession"], row["patient"]["name"]),
         ("咳嗽两周，排除结核", "stat", "QH-1", "王喆"))


if what == "register":
    register()
elif what == "devices":
    operator = Person("wu")
    becomes_a_case(made(keys(), operator), operator)
    print("ok")
else:
    sys.exit(f"{what}?")
