//! Words of every page: sign-in, times, states of lists, problems.

super::table! {
    APP: "云影", "Yunying";
    TITLE: "{0} · 云影", "{0} · Yunying";
    TITLE_IMAGES: "图像", "Images";
    TITLE_READING: "阅片", "Reading room";
    LANG_SWITCH: "English", "中文";

    OPENING: "正在打开…", "Opening…";
    LOADING: "正在读取…", "Loading…";
    RETRY: "再试一次", "Try again";
    CLOSE: "关闭", "Close";
    CANCEL: "取消", "Cancel";
    SAVE: "保存", "Save";
    COPY: "复制文字", "Copy text";
    COPIED: "已复制", "Copied";
    COPY_REFUSED: "浏览器不让复制：请选中后按 Ctrl+C", "The browser refuses: select it and press Ctrl+C";
    SIGN_OUT: "退出登录", "Sign out";
    ALL_KEYS: "全部按键", "All keys";
    MENU_OF: "{0} 的菜单", "Menu of {0}";

    YESTERDAY: "昨天", "yesterday";
    WEEKDAYS: "日 一 二 三 四 五 六", "Sun Mon Tue Wed Thu Fri Sat";
    MONTHS: "1 2 3 4 5 6 7 8 9 10 11 12", "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    LONG_DAY: "{0} 月 {1} 日 周{2}", "{2} {1} {0}";
    JUST_NOW: "刚刚", "just now";
    SECONDS_AGO: "{0} 秒前", "{0} s ago";
    MINUTES_AGO: "{0} 分钟前", "{0} min ago";
    HOURS_AGO: "{0} 小时前", "{0} h ago";
    LEFT: "还剩", "left";
    OVER: "已超", "over by";
    MINUTES: "分钟", "min";
    HOURS: "小时", "h";
    SECONDS: "秒", "s";
    DUE_AT: "应 {0} 前回报", "due {0}";
    CASES_UNIT: "例", "cases";

    SIGN_IN: "登录", "Sign in";
    SIGN_IN_LEAD: "用工号或手机号，进入您的工作页", "With your staff number or phone, to your work page";
    LOGIN: "工号 / 手机号", "Staff number / phone";
    LOGIN_KNOWN: "本机用过", "used here before";
    PASSWORD: "密码", "Password";
    SHOW: "显示", "Show";
    HIDE: "隐藏", "Hide";
    SHOW_PASSWORD: "显示密码", "Show password";
    HIDE_PASSWORD: "隐藏密码", "Hide password";
    CAPS_LOCK: "大写锁定已打开", "Caps Lock is on";
    SIGNING_IN: "正在登录…", "Signing in…";
    FORGOT: "忘了密码：致电信息科 {0}", "Forgot it? Call IT on {0}";
    FORGOT_NO_PHONE: "忘了密码：请找信息科", "Forgot it? Ask your IT department";
    SINOGRAM_1: "一次胸部 CT 的投影数据：", "Projections of one chest CT:";
    SINOGRAM_2: "每一行是一个角度，合起来才是一幅断层。", "each row one angle; together they make a slice.";
    SYSTEM_FINE: "系统正常", "System fine";
    SYSTEM_DOWN: "连不上中心", "Center unreachable";
    SYSTEM_ASKING: "正在连接中心", "Reaching the center";
    LINE_MS: "线路 {0} 毫秒", "line {0} ms";
    SHARED_PC: "公用电脑：离开前请退出登录", "Shared PC: sign out before you leave";
    NEED_LOGIN: "请填写工号或手机号", "Enter your staff number or phone";
    NEED_PASSWORD: "请填写密码", "Enter your password";
    WAIT_SECONDS: "试得太多，请等 {0} 秒再试", "Too many tries; wait {0} seconds";
    WAIT_MINUTES: "试得太多，请等 {0} 分钟再试，或致电信息科", "Too many tries; wait {0} minutes, or call IT";
    SIGNED_OUT_IDLE: "太久没有操作，已自动退出。没写完的报告留在本机。", "Signed out after a long pause. Unfinished reports are kept on this machine.";

    LINE_LIVE: "线路正常", "Line fine";
    LINE_CUT: "线路不通", "No line";
    LINE_POLLING: "线路不稳，每 5 秒刷新", "Line unsteady, refreshing every 5 s";
    LINE_CONNECTING: "正在连接", "Connecting";

    P_UNKNOWN: "没有成功。请再试一次；还不行请致电信息科。", "That did not work. Try again, or call IT.";
    P_OFFLINE: "连不上中心。请检查网线，接通后再试。", "The center cannot be reached. Check the cable, then try again.";
    P_TIMEOUT: "中心没有及时回答。线路可能很慢，请再试一次。", "The center did not answer in time. Try again.";
    P_GARBLED: "页面版本旧了。请刷新页面。", "This page is out of date. Reload it.";
    P_CREDENTIALS: "工号或密码不对。请再看一遍。", "Staff number or password is wrong. Check both.";
    P_PASSWORD: "密码不对。请再输一次。", "Wrong password. Type it again.";
    P_THROTTLED: "试得太多次了。请等一分钟再试。", "Too many tries. Wait a minute, then try again.";
    P_SESSION: "登录已过期。请重新登录。", "Your session has ended. Sign in again.";
    P_FORBIDDEN: "您的账号不能做这件事。需要请找中心主任。", "Your account may not do this. Ask the center manager.";
    P_CSRF: "页面放得太久了。请刷新后再试。", "The page was open too long. Reload and try again.";
    P_NOT_FOUND: "没有找到。它可能已转到别处，请回到列表。", "Not found. It may have moved; go back to the list.";
    P_CHANGED: "别人刚改过。已换成最新内容，请再改一次。", "Someone changed it just now. It is up to date again; redo your change.";
    P_DRAFT_CONFLICT: "另一处也改过这份报告。请选用哪一份。", "This report was changed elsewhere too. Choose which to keep.";
    P_LEASE_LOST: "这例已不在您手上。文字还在，可以复制。", "This case is no longer yours. Your text is kept; copy it.";
    P_BLANK: "还有空没填。按 Tab 到下一空。", "A blank is still open. Tab goes to it.";
    P_EMPTY_REPORT: "诊断意见还没写。写好再签。", "The impression is not written yet.";
    P_BAD_TEXT: "文字里有打不出来的字符。请删去后再试。", "The text holds characters that cannot be printed. Remove them.";
    P_OWN_REPORT: "自己写的报告不能自己审核。", "Nobody reviews their own report.";
    P_SIGNED: "报告已签署，不能再改。", "The report is signed and cannot change.";
    P_NEEDS_REVIEW: "这份报告要两人签署。请用「提交审核」。", "This report needs two signatures. Submit it for review.";
    P_NEEDS_NO_REVIEW: "这份报告一人签署即可。请用「签署」。", "One signature is enough. Sign it.";
    P_STATE: "这例已到别的步骤。已换成最新内容。", "This case has moved on. It is up to date again.";
    P_TOO_LARGE: "内容太长。请缩短后再试。", "Too long. Shorten it and try again.";
    P_UNAVAILABLE: "中心正忙或正在启动。请稍后再试。", "The center is busy or starting. Try again shortly.";
    P_INTERNAL: "中心出错了，已记录。请再试；还不行请致电信息科。", "The center failed and logged it. Try again, or call IT.";

    MACHINE_ACCOUNT: "这个账号给程序用", "This account is for programs";
    MACHINE_HELP: "请用令牌访问 /dicomweb 和 /api/v1；人请换自己的账号。", "Use tokens with /dicomweb and /api/v1; people sign in with their own account.";
    IMAGES_BACK: "回到列表", "Back to the list";
    IMAGES_CLOSE: "关闭窗口", "Close window";
}
