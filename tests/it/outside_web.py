"""What somebody else's DICOMweb client gets from a center, against what pydicom reads in the files that were sent.

outside_web.py URL TOKEN OTHER_SITES_TOKEN FILE...

Exit 0: everything agrees. Each check is one line on standard output.
"""

import fnmatch
import itertools
import re
import sys

import numpy
import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.uid import ExplicitVRLittleEndian

SAMPLES = (("application/octet-stream", ExplicitVRLittleEndian),)
AS_STORED = (("application/dicom", "*"),)
PLAIN = (("application/dicom", ExplicitVRLittleEndian),)


def check(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r}, expected {wanted!r}")
    print(f"{what}: ok")


def value(result, keyword):
    """Of a search result, which is DICOM JSON."""
    element = pydicom.Dataset.from_json(result).get(keyword)
    return "" if element is None else element


def named(files, pattern):
    """Studies one of whose name's component groups matches (PS3.4 C.2.2.2.4), whatever the case."""
    found = set()
    for file in files:
        groups = str(file.get("PatientName", "")).split("=")
        if any(fnmatch.fnmatchcase(group.lower(), pattern.lower()) for group in groups):
            found.add(file.StudyInstanceUID)
    return found


def studies_where(files, holds):
    return {file.StudyInstanceUID for file in files if holds(file)}


def searches(client, files):
    def found(**filters):
        results = client.search_for_studies(search_filters=filters)
        return {value(result, "StudyInstanceUID") for result in results}

    check("all studies", found(), {file.StudyInstanceUID for file in files})
    for pattern in "王* 王^小东 *小东 李?娜 wang* Li^Na 山田* やまだ^たろう nobody* *".split():
        check(f"studies of {pattern}", found(PatientName=pattern), named(files, pattern))
    chinese = named(files, "王*")
    check("one study of 王", len(chinese), 1)
    for file in files:
        patient = file.PatientID
        wanted = studies_where(files, lambda f: f.PatientID == patient)
        check(f"studies of id {patient}", found(PatientID=patient), wanted)
    for modality in {file.Modality for file in files}:
        wanted = studies_where(files, lambda f: f.Modality == modality)
        check(f"studies with {modality}", found(ModalitiesInStudy=modality), wanted)
    dates = sorted({file.StudyDate for file in files} - {""})
    for begin, end in itertools.combinations_with_replacement(dates, 2):
        wanted = studies_where(files, lambda f: begin <= f.StudyDate <= end)
        check(f"studies of {begin}-{end}", found(StudyDate=f"{begin}-{end}"), wanted)
    both = found(PatientName="王*", StudyDate=f"-{dates[0]}")
    check("two keys", both, chinese & studies_where(files, lambda f: "" < f.StudyDate <= dates[0]))


def paging(client, files):
    pages, offset = [], 0
    while page := client.search_for_studies(limit=2, offset=offset):
        check("a page's length", len(page) <= 2, True)
        pages += [value(result, "StudyInstanceUID") for result in page]
        offset += 2
    check("pages without repetition", sorted(pages), sorted({file.StudyInstanceUID for file in files}))


def attributes(client, files):
    """What a study, a series and an instance say of themselves in search results."""
    for result in client.search_for_studies():
        uid = value(result, "StudyInstanceUID")
        of_it = [file for file in files if file.StudyInstanceUID == uid]
        # Delimiters at the end mean nothing (PS3.5 6.2.1.1).
        name = str(of_it[0].get("PatientName", "")).rstrip("^=")
        check(f"{uid} name", str(value(result, "PatientName")).rstrip("^="), name)
        for keyword in ["PatientID", "StudyDate", "StudyID", "AccessionNumber", "PatientBirthDate"]:
            check(f"{uid} {keyword}", value(result, keyword) or "", str(of_it[0].get(keyword) or ""))
        modalities = value(result, "ModalitiesInStudy")
        modalities = {modalities} if isinstance(modalities, str) else set(modalities)
        check(f"{uid} modalities", modalities, {file.Modality for file in of_it})
        check(f"{uid} instances", value(result, "NumberOfStudyRelatedInstances"), len(of_it))
        series = client.search_for_series(uid)
        check(f"{uid} series", {value(s, "SeriesInstanceUID") for s in series}, {f.SeriesInstanceUID for f in of_it})
        for one in series:
            of_series = [f for f in of_it if f.SeriesInstanceUID == value(one, "SeriesInstanceUID")]
            instances = client.search_for_instances(uid, of_series[0].SeriesInstanceUID)
            found = {value(i, "SOPInstanceUID"): value(i, "SOPClassUID") for i in instances}
            check("instances", found, {f.SOPInstanceUID: f.SOPClassUID for f in of_series})
    one = files[0]
    found = client.search_for_instances(search_filters={"SOPInstanceUID": one.SOPInstanceUID})
    check("an instance by its UID", [value(i, "SeriesInstanceUID") for i in found], [one.SeriesInstanceUID])


def same(found, wanted):
    """Of two elements. A number of single precision may be written as any decimal that means it."""
    if wanted.VR == "FL" and found.VR == "FL":
        return numpy.array_equal(numpy.float32(found.value), numpy.float32(wanted.value))
    if wanted.VR == "PN" and found.VR == "PN":
        # Delimiters at the end mean nothing (PS3.5 6.2.1.1).
        plain = [re.sub(r"\^+(?==|$)", "", str(element.value)).rstrip("=") for element in (found, wanted)]
        return plain[0] == plain[1]
    if wanted.VR == "SQ" and found.VR == "SQ":
        pairs = list(zip(found.value, wanted.value))
        return len(found.value) == len(wanted.value) and all(differing(*pair) == [] for pair in pairs)
    return found.value == wanted.value


def differing(found, file, but=()):
    """Tags of elements that differ, apart from group lengths and padding."""
    tags = {e.tag for e in found} | {e.tag for e in file}
    tags = {t for t in tags if t.element != 0 and t != 0xFFFCFFFC and pydicom.datadict.keyword_for_tag(t) not in but}
    return sorted(str(t) for t in tags if t not in found or t not in file or not same(found[t], file[t]))


# What a search engine or a codec changes on the way: the character set is UTF-8 by now, and samples have no codec.
RECODED = (
    "SpecificCharacterSet PixelData PhotometricInterpretation PlanarConfiguration ExtendedOffsetTable "
    "ExtendedOffsetTableLengths"
).split()


def retrieval(client, file):
    path = (file.StudyInstanceUID, file.SeriesInstanceUID, file.SOPInstanceUID)
    label = f"{file.Modality} {file.file_meta.TransferSyntaxUID.name}"
    stored = client.retrieve_instance(*path, media_types=AS_STORED)
    check(f"{label} as stored", differing(stored, file), [])
    check(f"{label} syntax as stored", stored.file_meta.TransferSyntaxUID, file.file_meta.TransferSyntaxUID)

    plain = client.retrieve_instance(*path, media_types=PLAIN)
    check(f"{label} syntax as asked for", plain.file_meta.TransferSyntaxUID, ExplicitVRLittleEndian)
    check(f"{label} in that syntax", differing(plain, file, RECODED), [])
    check(f"{label} its pixels", numpy.array_equal(plain.pixel_array, file.pixel_array), True)

    bulk = []
    metadata = client.retrieve_instance_metadata(*path)
    read = pydicom.Dataset.from_json(metadata, bulk_data_uri_handler=lambda tag, vr, uri: bulk.append(tag) or b"")
    wanted = pydicom.Dataset({e.tag: e for e in file if f"{e.tag:08X}" not in bulk})
    found = pydicom.Dataset({e.tag: e for e in read if f"{e.tag:08X}" not in bulk})
    check(f"{label} metadata", differing(found, wanted, RECODED + ["AvailableTransferSyntaxUID"]), [])

    count = int(file.get("NumberOfFrames") or 1)
    frames = client.retrieve_instance_frames(*path, frame_numbers=list(range(1, count + 1)), media_types=SAMPLES)
    check(f"{label} frames", len(frames), count)
    pixels = file.pixel_array if count > 1 else [file.pixel_array]
    for number, (frame, wanted) in enumerate(zip(frames, pixels), 1):
        check(f"{label} frame {number}", frame == little(file, wanted), True)


def little(file, pixels):
    """Samples as Explicit VR Little Endian has them; single bits are packed (PS3.5 8.1.1)."""
    if file.BitsAllocated == 1:
        return numpy.packbits(pixels, bitorder="little").tobytes()
    return pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()


def refusals(url, token, other, files):
    def status(path, token):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(f"{url}{path}", headers=headers, timeout=30).status_code

    file = files[0]
    study = f"/studies/{file.StudyInstanceUID}"
    check("with the right token", status(study, token), 200)
    check("without a token", status(study, ""), 401)
    check("with a wrong token", status(study, token[:-1] + ("a" if token[-1] != "a" else "b")), 401)
    check("another site's study", status(study, other), 404)
    frame = f"{study}/series/{file.SeriesInstanceUID}/instances/{file.SOPInstanceUID}/frames/1"
    check("another site's frame", status(frame, other), 404)
    stranger = DICOMwebClient(url, headers={"Authorization": f"Bearer {other}"})
    check("another site's search", stranger.search_for_studies(), [])


def main():
    url, token, other = sys.argv[1:4]
    files = [pydicom.dcmread(path) for path in sys.argv[4:]]
    client = DICOMwebClient(url, headers={"Authorization": f"Bearer {token}"})
    searches(client, files)
    paging(client, files)
    attributes(client, files)
    for file in files:
        retrieval(client, file)
    refusals(url, token, other, files)


main()
