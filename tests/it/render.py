"""What a canvas should show, worked out apart from it: pydicom reads, PS3.3 C.11 says the grey.

render.py FOLDER CANVAS WIDTH HEIGHT X Y INSTANCE FRAME WINDOW

CANVAS holds WIDTH x HEIGHT grey bytes; the image's first pixel is at X, Y, one image pixel a canvas pixel. WINDOW is as
the page says it: "W 1500   L -600". Exit 0: no pixel is more than one grey level off.
"""

import pathlib
import re
import sys

import numpy
import pydicom


def find(folder, uid):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file():
            data = pydicom.dcmread(path, force=True)
            if data.get("SOPInstanceUID") == uid:
                return data
    sys.exit(f"no instance {uid} in {folder}: the page shows something that was not sent")


def grey(data, frame, center, width):
    stored = data.pixel_array
    if stored.ndim == 3:
        stored = stored[frame - 1]
    # C.11.1.1.2: modality LUT.
    values = stored.astype(numpy.float64) * float(data.get("RescaleSlope", 1)) + float(data.get("RescaleIntercept", 0))
    # C.11.2.1.2.1: linear VOI to 0..255.
    output = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255
    output[values <= center - 0.5 - (width - 1) / 2] = 0
    output[values > center - 0.5 + (width - 1) / 2] = 255
    if data.PhotometricInterpretation == "MONOCHROME1":
        output = 255 - output
    return output


def main():
    folder, canvas, width, height, x, y, uid, frame, window = sys.argv[1:]
    width, height, x, y = (int(float(figure)) for figure in (width, height, x, y))
    shown = numpy.fromfile(canvas, dtype=numpy.uint8).reshape(height, width).astype(numpy.float64)
    found = re.fullmatch(r"W (\S+)\s+L (\S+)", window.replace("\u2212", "-"))
    if not found:
        sys.exit(f"the page shows the window as {window!r}")
    data = find(folder, uid)
    expected = grey(data, int(frame), float(found[2]), float(found[1]))
    rows, columns = expected.shape
    top, left = max(0, -y), max(0, -x)
    bottom, right = min(rows, height - y), min(columns, width - x)
    seen = shown[y + top : y + bottom, x + left : x + right]
    wanted = expected[top:bottom, left:right]
    if seen.size < expected.size / 2:
        sys.exit("most of the image is off the canvas")
    if wanted.max() - wanted.min() < 100:
        sys.exit("the image is too flat to prove anything")
    off = numpy.abs(seen - wanted)
    print(f"{seen.size} pixels of {uid}, window {found[1]}/{found[2]}: largest difference {off.max():.2f}")
    sys.exit(0 if off.max() <= 1.0 else 1)


main()
