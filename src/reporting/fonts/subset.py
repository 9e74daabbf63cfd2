#!/usr/bin/env python3
"""Make the two faces the report is set in from Noto Sans CJK (see README.md in this folder for what and why).

Usage: subset.py NotoSansCJK-Regular.ttc NotoSansCJK-Bold.ttc OUTPUT_DIRECTORY
Needs fontTools. Equal input gives equal output.
"""

import sys
from pathlib import Path

from fontTools import subset, ttLib

# The face "Noto Sans CJK SC" within Debian's collections.
SIMPLIFIED_CHINESE_FACE = 2

# What reports use beside hanzi: Latin with the accents of drug and syndrome names, Greek, units, arrows, marks of
# lists, full-width forms.
EVERYDAY = [
    (0x0020, 0x007E), (0x00A0, 0x017F), (0x01CD, 0x01DC), (0x0300, 0x036F), (0x0370, 0x03FF), (0x0400, 0x045F),
    (0x2000, 0x206F), (0x2070, 0x209F), (0x20A0, 0x20BF), (0x2100, 0x218F), (0x2190, 0x21FF), (0x2200, 0x22FF),
    (0x2300, 0x23FF), (0x2460, 0x24FF), (0x2500, 0x257F), (0x25A0, 0x25FF), (0x2600, 0x26FF), (0x2700, 0x27BF),
    (0x3000, 0x303F), (0x3040, 0x30FF), (0x3105, 0x312F), (0x3200, 0x33FF), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF),
]

# Hanzi: URO, Extension A, compatibility, and everything in the supplementary planes that the face draws.
HANZI = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)]

# Not in GB 2312, yet met in bold: in given names, and in what an impression says.
NAMES = (
    "喆翀堃彧㛃䶮龑珺玥昉昕晞晟晖暐煜煊炜烨烜焜燚燊珅珈珩珞珮珵琤琬琰琮琲瑀瑄瑢瑷璟璐璠璩璿祎祐祺禔禛禤"
    "姝姮娉婳婧婠嫄嫣嬅嬿佑佶侃倢倩偲傒儁冉冏凇劼勍劭咏啟喬嘏坤垚垲埈堉堔堦塬墉壎奭妤妍姞姣孖孛宓宸寔寯屺"
    "岚岢峣峤崀崟崧嵘嵩巉帧廪弢彣彤彦彪徕忻怡恺恽悌悫惇愔慜憬懋扆抒拯捷揆揚旸旻昀昊昱昶晔晗晙暄暾曌曦朐"
    "杲枞柊栩栾桄桐梓梵梽棠棣棪椀楙楠榕榮樑樾橦檀欤歆殷毓沄沅沆沐沛沣泂泓泮泱洢洧洮洵浛浠浩浬涌涔涵淏淼"
    "渟渼湉湑湜湝滢滟漪漭潇潔潢澂澄濛濬瀚灏灝炘炤炯炻烺焓焕焘焯煐煦熙熠燮牧犇獴玎玏玒玓玕玘玙玚玠玢玦玫"
    "珂珙珣珧琎琦琨琪琳琴琼瑗瑛瑜瑞瑧瑨瑭瑱璁璇璋璎瓒甯畇畊畯皎皓皞盼睿瞳瞿矜砚碁碧磊祁祉祗祚祥祯稑稷穎"
    "竑竣筠筱箐箬簃簋粲絜綦綮纮绂绚绮缇缃缦羿翊翌翎翚翛翥翯翾聿聪肜胤臻舸芃芄芊芮芷芾苒苡苼茜茵茹荃荇荞莀"
    "莙菀菁菘菡萱葆葳蒨蒽蓁蓉蓓蔚蔻蕊蕤蕴薇藜蘅虓蚬蜓衎衔袆裒襄觉訚詠詹誉諠譞谞谡豳贇贠赟赪跻軒轶辰达迦迪"
    "逄逸遐遹邈邢邬邰郃郄郇郗郢郦酆酩醍釉鉴鋆鋐錡鍇鎏鎣鑫钇钊钏钘钜铖铠铭铮锜锟锴镕镝镠闫闳闿阚陞隽雎雯霁"
    "霂霄霆霈霏霖霙霭靓靖韡韬頔頫顼飏馥骁骅骎骐骞骥骦鬯鲲鳐鸰鹂鹍鹓鹭麒麟黎黛黻齐龢陳張劉黃吳楊趙孫馬葉"
)
MEDICINE = "腘髌腓胫跖跗踝髋髁髎嵴臀胼胝颏颞颌颧颅镫砧桡骰楔砂囊疝瘘疣疖痂痔疸癜癣癌癔瘀瘢睾睑睫瞀眦骺骶骼膈膝肱胯脐脘脲脾腱腮腭腺膦臁膻胛肓肼胂胍胗胨胬胱脒脓脬脶腙腚腠腧腩腴膑膘膣膪臊臌羟羧酐酮醛钆锝碘镓铊氙疃瘿癀癃癞髂髀鼽鼾齁齄齇龂龃龅龆龈龋"


def in_ranges(ranges, cmap):
    return {cp for first, last in ranges for cp in range(first, last + 1) if cp in cmap}


def gb2312():
    decoded = (bytes([row, cell]).decode("gb2312", "ignore") for row in range(0xA1, 0xF8) for cell in range(0xA1, 0xFF))
    return {ord(char) for char in decoded if char}


def make(source, family, weight, wanted, target):
    font = ttLib.TTFont(source, fontNumber=SIMPLIFIED_CHINESE_FACE, lazy=True, recalcTimestamp=False)
    cmap = font.getBestCmap()
    options = subset.Options()
    # A report is set horizontally, in one language, for paper: no vertical metrics, no features, no hints.
    options.layout_features = []
    options.drop_tables += ["VORG", "vhea", "vmtx", "BASE", "GPOS", "GSUB", "GDEF", "DSIG"]
    options.hinting = False
    options.notdef_outline = True
    options.name_IDs = [0, 13, 14]
    options.recalc_timestamp = False
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=wanted(cmap))
    subsetter.subset(font)
    # OFL: the names are this subset's own. Both faces are their own family, so that asking for one never gives the other.
    postscript = f"{family.replace(' ', '')}-{weight}"
    for name_id, text in ((1, family), (2, "Regular"), (3, postscript), (4, family), (6, postscript)):
        font["name"].setName(text, name_id, 3, 1, 0x409)
    cff = font["CFF "].cff
    cff.fontNames[0] = postscript
    top = cff.topDictIndex[0]
    top.FullName, top.FamilyName = family, family
    font.save(target)
    print(f"{target.name}: {len(font.getBestCmap())} characters, {target.stat().st_size} bytes")


def main():
    regular, bold, out = (Path(argument) for argument in sys.argv[1:4])
    everyday = lambda cmap: in_ranges(EVERYDAY, cmap) | (gb2312() & cmap.keys())
    make(regular, "Yunying Report Text", "Regular", lambda cmap: everyday(cmap) | in_ranges(HANZI, cmap), out / "report-text.otf")
    extra = {ord(char) for char in NAMES + MEDICINE}
    make(bold, "Yunying Report Bold", "Bold", lambda cmap: everyday(cmap) | (extra & cmap.keys()), out / "report-bold.otf")


if __name__ == "__main__":
    main()
