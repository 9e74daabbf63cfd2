//! What the manager's pages say: why cases are stuck and what helps, whose records are whose, objects in quarantine.

use super::table;

table! {
    STUCK_ABSENT: "已请{0}，页面没有打开，请致电", "{0} was asked; no page of theirs is open: phone them";
    STUCK_OCCUPIED: "待派：{0} 的页面上还有没处理完的，请致电", "Unassigned: something is still open on the page of {0}: phone them";
    STUCK_REVIEW: "等审核：{0} 在班", "Waiting for review: {0} on duty";
    STUCK_REVIEW_OFF: "等审核：没有审核医师在班", "Waiting for review: no reviewer is on duty";
    STUCK_REVIEW_NONE: "等审核：没有别的医师能审，请信息科加账号", "Waiting for review: nobody else may review it; ask IT";
    DUTY_ABSENT: "页面没有打开，请致电", "no page open: phone them";
    DUTY_OCCUPIED: "页面上还有没处理完的", "something still open on their page";
    TAKE_BACK_OF: "收回 {0} 手上的 {1}？", "Take {1} back from {0}?";
    TAKE_BACK_KEPT: "它回到队列；已写的文字留着。", "It goes back into the queue; what was written stays.";
    TAKE_BACK_FREE: "空闲的 {0} 会马上接到。", "It goes to {0} at once, who is free.";
    TAKE_BACK_BUSY: "在班能阅的都在忙（{0}），等先空出来的一位；两分钟内没有人空，就回到 {1} 手上。", "Everybody here who may read it is busy ({0}); it waits for the first to be free. If nobody is within two minutes, it goes back to {1}.";
    TAKE_BACK_SAME: "没有别的在班医师能阅，收回后会马上派回给 {0}。请先请别人值班。", "Nobody else on duty may read it: it would go straight back to {0}. Put somebody else on duty first.";
    TAKE_BACK_NOBODY: "现在没有在班医师能接，它会在队列里等。", "Nobody on duty can take it now; it will wait in the queue.";
    Q_SENT: "送来的这一份", "What was sent";
    Q_STANDING: "检查里的", "The study";
    Q_SAYS_NOTHING: "读不出里面写的是谁", "Whose it is cannot be read from it";
    Q_LOOKING: "正在读取里面写的是谁…", "Reading whose it says it is…";
    Q_DIFFERS: "不同", "differs";
    Q_SERIES: "序列名", "Series name";
    Q_IMAGE: "序列 / 幅", "Series / image";
    Q_IMAGE_N: "{0} / {1}", "{0} / {1}";
    Q_ACCESSION: "检查号", "Accession";
    Q_EXAM: "检查", "Exam";
    Q_ARRIVED: "送达", "Arrived";
    Q_ARRIVED_AS: "{0}，{1}，{2}", "{0}, {1}, {2}";
    Q_IS_SIGNED: "报告已签署", "Report signed";
    Q_SIGNED_DO: "报告已签署：签署时没有这样的图像。决定后请告诉签署的医师。", "The report is signed, and not on these images. Tell the doctor who signed.";
    Q_WENT: "已归入 {0}", "Now part of {0}";
    Q_WENT_ASIDE: "已收起，在「已处置」里可以找到，也可改主意。", "Put away; it is listed under Decided, where the decision can be changed.";
    Q_TITLED: "{0}：{1}", "{0}: {1}";
    REFUSED_PATIENT: "患者号和这个检查的不一致。请核对是谁的图像：是同一人，请主任放行；不是，请在设备上改正患者后重发。", "Their Patient ID is not that of this study. Find out whose they are: if the same person's, the manager releases them; if not, correct the patient on the device and send again.";
    REFUSED_COPY: "与已收下的图像同号、内容不同。用哪一份由主任决定，不必重发。", "They have the number of an image that was accepted, with other content. The manager decides which copy is used; sending again does not help.";
    REFUSED_SITE: "这个检查号是别的机构的。请在设备上新开一个检查再发。", "The study number is another site's. Begin a new study on the device and send that.";
    REFUSED_ERASED: "这个检查已依规删除，不再收。", "The study was erased and is not accepted again.";
    REFUSED_IT: "设备写的内容不合规，重发没有用，请致电信息科。", "What the device writes is not valid; sending again does not help. Call IT.";
    REFUSED_OF: "{0} {1} 幅", "{0}: {1}";
    REFUSED_DECIDE: "去处置", "Decide";
    E_ASSIGNED_TO: "派给 {0}", "Assigned to {0}";
    E_LAPSED_OF: "{0} 占用过期，回到队列", "{0}: lapsed, back in the queue";
    E_URGENCY_FROM: "改急缓：{0} 改为 {1}", "urgency changed from {0} to {1}";
    E_OUTDATED_N: "签署后又到图像 {0} 幅", "{0} images came after signing";
    E_LATE_N: "又收到迟到的图像 {0} 幅", "{0} late images arrived";
    E_PROGRESS_N: "继续到达 {0} 幅", "{0} more arrived";
}
