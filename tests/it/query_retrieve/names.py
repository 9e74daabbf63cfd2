"""Real files with names of many character sets, sent to a running center and found again: usage: names.py PORT FOLDER.

The names are what a person reads on the file, also where its character set lies.
"""

import pathlib
import sys
import time

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FIND

import pynetdicom_pause  # noqa: F401

port, shared = int(sys.argv[1]), pathlib.Path(sys.argv[2])
NAMES = {
    "derived/charset/gb18030_three_component.dcm": "Wang^XiaoDong=王^小东=Wang^XiaoDong",
    "derived/charset/latin1_declared_gbk_bytes.dcm": "赵^志强",
    "derived/charset/utf8_japanese_korean_mix.dcm": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "derived/charset/utf8_three_component.dcm": "Li^Na=李^娜=Li^Na",
    "pydicom/charset_files/chrArab.dcm": "قباني^لنزار",
    "pydicom/charset_files/chrFren.dcm": "Buc^Jérôme",
    "pydicom/charset_files/chrGerm.dcm": "Äneas^Rüdiger",
    "pydicom/charset_files/chrGreek.dcm": "Διονυσιος",
    "pydicom/charset_files/chrH31.dcm": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "pydicom/charset_files/chrH32.dcm": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    "pydicom/charset_files/chrHbrw.dcm": "שרון^דבורה",
    "pydicom/charset_files/chrI2.dcm": "Hong^Gildong=洪^吉洞=홍^길동",
    "pydicom/charset_files/chrRuss.dcm": "Люкceмбypг",
    "pydicom/charset_files/chrX1.dcm": "Wang^XiaoDong=王^小東",
}


def send():
    ae = AE(ae_title="ANYBODY")
    files = {name: pydicom.dcmread(shared / name) for name in NAMES}
    for uid in {ds.SOPClassUID for ds in files.values()}:
        ae.add_requested_context(uid, ExplicitVRLittleEndian)
    assoc = ae.associate("127.0.0.1", port, ae_title="YUNYING")
    for name in NAMES:
        # What pydicom did not read it writes as it is in the file.
        assert assoc.send_c_store(shared / name).Status == 0, name
    assoc.release()
    return {name: ds.PatientID for name, ds in files.items()}


def find(syntax, charset, **values):
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    if charset:
        query.SpecificCharacterSet = charset
    for name in ("PatientName", "PatientID"):
        setattr(query, name, values.get(name, ""))
    ae = AE(ae_title="ANYBODY")
    ae.add_requested_context(FIND, syntax)
    assoc = ae.associate("127.0.0.1", port, ae_title="YUNYING")
    answers = list(assoc.send_c_find(query, FIND))
    assoc.release()
    assert answers[-1][0].Status == 0, answers[-1]
    return [ds for _, ds in answers[:-1]]


ids = send()
deadline = time.monotonic() + 60
while len(find(ImplicitVRLittleEndian, None)) < len(NAMES):
    assert time.monotonic() < deadline, "not indexed"
    time.sleep(0.2)
for name, expected in NAMES.items():
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
        for charset in (None, "ISO_IR 192", "GB18030", ["", "ISO 2022 IR 58"]):
            # pydicom leaves the escape sequences of GB 2312 in what it reads.
            found = [str(ds.PatientName).replace("\x1b$)A", "") for ds in find(syntax, charset, PatientID=ids[name])]
            assert found == [expected], f"{name} in {charset}: {found}, not {expected}"
    for charset in ("ISO_IR 192", "GB18030"):
        found = {ds.PatientID for ds in find(ExplicitVRLittleEndian, charset, PatientName=expected)}
        assert ids[name] in found, f"{name} is not found by {expected} in {charset}"
print(len(NAMES), "names")
