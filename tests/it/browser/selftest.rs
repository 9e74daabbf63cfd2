//! What every browser journey takes for granted: the browser draws with WebGL2, takes Chinese text and keys, and its complaints
//! are heard.

use super::Browser;

const FORM: &str = "data:text/html;charset=utf-8,<!doctype html><textarea id=t></textarea><button id=b>b</button><script>\
    window.keys = []; addEventListener('keydown', e => { keys.push((e.ctrlKey ? 'Ctrl+' : '') + e.key); });\
    document.getElementById('b').onclick = () => { window.clicked = true; };</script>";

#[test]
fn text_keys_and_clicks_reach_the_page_as_a_person_makes_them() {
    let Some(browser) = Browser::launch() else { return };
    let mut page = browser.page(800, 600);
    page.open(FORM);
    page.fill("#t", "双肺纹理清晰，未见实变影。");
    page.press("F10");
    page.press("Ctrl+Enter");
    page.click("#b");
    assert_eq!(page.text("#t"), "双肺纹理清晰，未见实变影。");
    assert_eq!(page.value("keys.join(' ')"), "F10 Ctrl+Enter");
    assert_eq!(page.value("window.clicked"), true);
    page.assert_quiet();
}

#[test]
fn integer_textures_draw_without_a_graphics_card() {
    let Some(browser) = Browser::launch() else { return };
    let mut page = browser.page(400, 300);
    page.open("about:blank");
    let status = page.value(
        "(() => { const gl = document.createElement('canvas').getContext('webgl2'); if (!gl) return 'no WebGL2'; \
         gl.bindTexture(gl.TEXTURE_2D, gl.createTexture()); \
         gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16I, 2, 2, 0, gl.RED_INTEGER, gl.SHORT, new Int16Array([-1024, 0, 40, 3071])); \
         return gl.getError() === gl.NO_ERROR ? 'drawn' : 'refused'; })()",
    );
    assert_eq!(status, "drawn");
    assert!(page.screenshot(None).starts_with(b"\x89PNG"));
}

#[test]
#[should_panic(expected = "the page complained")]
fn an_uncaught_error_in_the_page_is_a_failed_test() {
    let Some(browser) = Browser::launch() else { panic!("the page complained: there is no browser to ask") };
    let mut page = browser.page(400, 300);
    page.open("data:text/html,<script>setTimeout(() => { throw new Error('lost') }, 0)</script>");
    page.wait("true");
    std::thread::sleep(std::time::Duration::from_millis(200));
    page.assert_quiet();
}
