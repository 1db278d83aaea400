/* The page of a report (html.h). */
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---------------------------------------------------------------------------------------------- */

/* One character, or one byte that is none. */
static size_t add_char(mn_str *s, const char *c, size_t left) {
    static const struct {
        char c;
        const char *text;
    } marks[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    const size_t n = mn_utf8_length(c, left);
    const unsigned char u = (unsigned char)*c;
    for (size_t i = 0; i < MN_COUNT(marks); i++) {
        if (*c != marks[i].c) continue;
        mn_str_add(s, marks[i].text);
        return 1;
    }
    /* U+FFFE and U+FFFF are no characters of XML */
    if (!n || (u < 0x20 && u != '\n' && u != '\t') || u == 0x7f || (n == 3 && memcmp(c, "\xef\xbf\xbe", 3) >= 0 && u == 0xef))
        mn_str_add(s, "\xef\xbf\xbd");
    else
        mn_str_addn(s, c, n);
    return n ? n : 1;
}

void mn_html_text(mn_str *s, const char *text, size_t most) {
    const size_t n = text ? strlen(text) : 0;
    size_t at = 0;
    while (at < n && at < most) at += add_char(s, text + at, n - at);
    if (at < n) mn_str_add(s, "\xe2\x80\xa6");
}

void mn_html_say(mn_str *s, const char *tag, const char *fmt, ...) {
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    mn_str_addf(s, "<%s>", tag);
    mn_html_text(s, text, sizeof text);
    mn_str_addf(s, "</%.*s>\n", (int)strcspn(tag, " "), tag);
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

double mn_html_round(double x, int digits) {
    if (x == 0 || !isfinite(x)) return x;
    const int places = digits - 1 - (int)floor(log10(fabs(x)));
    if (places > 300 || places < -300) return x;
    const double unit = pow(10, abs(places)), rounded = places < 0 ? round(x / unit) * unit : round(x * unit) / unit;
    return isfinite(rounded) ? rounded : x;
}

/* The shortest decimal, without a context: what mn_str_real writes fits. */
static void shortest(double x, char *buf, size_t bytes) {
    static const char *const marks = "0123456789-+e";
    size_t n = 0;
    char text[48];
    snprintf(text, sizeof text, "%.15g", x);
    for (const char *c = text; *c && n + 1 < bytes; c++) { /* the locale's point, which may be several bytes */
        const int known = strchr(marks, *c) != NULL;
        if (*c == '0' && n > 1 && buf[n - 2] == 'e' && buf[n - 1] == '-') continue;
        if (known && *c != '+') buf[n++] = *c;
        if (!known && (n == 0 || buf[n - 1] != '.')) buf[n++] = '.';
    }
    buf[n] = 0;
}

/* 14834106 as "14,834,106". */
static void grouped(double x, char buf[48]) {
    char digits[32];
    snprintf(digits, sizeof digits, "%.0f", fabs(x));
    const size_t len = strlen(digits);
    size_t n = 0;
    if (x < 0) buf[n++] = '-';
    for (size_t i = 0; i < len; i++) {
        buf[n++] = digits[i];
        if (i + 1 < len && (len - 1 - i) % 3 == 0) buf[n++] = ',';
    }
    buf[n] = 0;
}

char *mn_html_readable(double x, char buf[48]) {
    if (!isfinite(x))
        strcpy(buf, "\xe2\x80\x93");
    else if (fabs(x) < 1e15 && (x == floor(x) || fabs(x) >= 1e5))
        grouped(round(x), buf);
    else
        shortest(mn_html_round(x, fabs(x) < 1e-3 ? 3 : 5), buf, 48);
    return buf;
}

char *mn_html_short(double x, int digits, char buf[48]) {
    static const struct {
        double size;
        const char *name;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e4, "k"}};
    const char *name = "";
    double size = 1;
    if (!isfinite(x)) return mn_html_readable(x, buf);
    for (size_t i = 0; i < MN_COUNT(units) && *name == 0; i++) {
        if (fabs(x) < units[i].size) continue;
        name = units[i].name;
        size = units[i].size == 1e4 ? 1e3 : units[i].size;
    }
    shortest(mn_html_round(x / size, digits), buf, 40);
    strcat(buf, name);
    return buf;
}

void mn_html_number(mn_str *s, double x) {
    char text[48];
    mn_html_readable(x, text);
    if (!isfinite(x)) {
        mn_str_add(s, text);
        return;
    }
    mn_str_add(s, "<data value=\"");
    mn_str_real(s, x);
    mn_str_addf(s, "\">%s</data>", text);
}

/* ---- tables -------------------------------------------------------------------------------------------- */

void mn_html_table(mn_str *s) {
    mn_str_add(s, "<div class=\"wide\" tabindex=\"0\"><table>\n");
}

void mn_html_table_end(mn_str *s) {
    mn_str_add(s, "</table></div>\n");
}

void mn_html_row(mn_str *s, int head, const char *const *cells, size_t n) {
    mn_str_add(s, "<tr>");
    for (size_t i = 0; i < n; i++) {
        mn_str_add(s, head ? "<th scope=\"col\">" : "<td>");
        mn_html_text(s, cells[i], MN_HTML_TEXT);
        mn_str_add(s, head ? "</th>" : "</td>");
    }
    mn_str_add(s, "</tr>\n");
}

/* ---- frame --------------------------------------------------------------------------------------------- */

static const char style[] =
    ":root{color-scheme:light}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:#fff;color:#1a1a1a;font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,Arial,sans-serif}"
    "main,header,footer{max-width:1200px;margin:0 auto;padding:0 16px}"
    "h1{font-size:1.7rem;line-height:1.2;margin:24px 0 4px;overflow-wrap:anywhere}"
    "h2{font-size:1.3rem;margin:0 0 12px;padding-top:20px;border-top:2px solid #1a1a1a}"
    "h3{font-size:1.05rem;margin:20px 0 8px;overflow-wrap:anywhere}"
    "section{margin:28px 0}"
    "p{margin:8px 0;max-width:75ch;overflow-wrap:anywhere}"
    ".note{color:#444;font-size:.92rem}"
    ".missing{border-left:4px solid #8a8a8a;padding:2px 0 2px 12px;color:#333}"
    ".verdict{border-left:6px solid #0072B2;background:#eef5fa;padding:10px 14px;font-size:1.08rem}"
    ".verdict.no{border-color:#D55E00;background:#fdf1e9}"
    "nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:12px 0;list-style:none}"
    "a{color:#00558c}"
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,150px),1fr));gap:10px;margin:14px 0}"
    ".facts div{border:1px solid #c4c4c4;border-radius:6px;padding:8px 12px}"
    ".facts dt{font-size:.85rem;color:#444;overflow-wrap:anywhere}.facts dd{margin:0;font-size:1.25rem;font-weight:600;overflow-wrap:anywhere}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,345px),1fr));gap:22px;margin:14px 0;align-items:start}"
    ".charts.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr));gap:14px}"
    "figure{margin:0;max-width:560px}"
    "figcaption{font-weight:600;font-size:.95rem;margin-bottom:4px;overflow-wrap:anywhere}"
    "svg{display:block;width:100%;height:auto}"
    "svg text{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,Arial,sans-serif;fill:#1a1a1a}"
    ".legend{display:flex;flex-wrap:wrap;gap:2px 16px;list-style:none;padding:0;margin:6px 0 0;font-size:.85rem}"
    ".legend li{display:flex;align-items:center;gap:6px;overflow-wrap:anywhere}"
    ".legend svg{width:30px;height:12px;flex:none}"
    ".wide{overflow-x:auto;margin:12px 0}"
    "table{border-collapse:collapse;font-size:.9rem}"
    "th,td{padding:4px 12px 4px 0;text-align:left;border-bottom:1px solid #d0d0d0;vertical-align:top}"
    "th{font-weight:600}th[scope=col]{white-space:nowrap}th[scope=row]{min-width:13ch}td code{display:inline-block;min-width:16ch}"
    "td data{font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".net{display:flex;flex-wrap:wrap;gap:10px;list-style:none;margin:14px 0;padding:0;align-items:stretch}"
    ".net .stage{border:1px dashed #8a8a8a;border-radius:8px;padding:8px}"
    ".net .stage>span{display:block;font-size:.8rem;color:#444;margin-bottom:6px}"
    ".net ol{display:flex;flex-wrap:wrap;gap:8px;list-style:none;margin:0;padding:0}"
    ".box{border:1px solid #6a6a6a;border-left-width:8px;border-radius:5px;padding:5px 9px;min-width:118px;max-width:100%;background:#fff;font-size:.8rem;line-height:1.35}"
    ".box b{display:block;font-size:.95rem;overflow-wrap:anywhere}"
    ".box .share{display:block;height:5px;background:#e3e3e3;margin-top:5px}.box .share i{display:block;height:5px;background:#1a1a1a}"
    "details{margin:12px 0}summary{cursor:pointer;font-weight:600}"
    "pre{background:#f5f5f5;border:1px solid #d0d0d0;padding:12px;overflow-x:auto;font:13px/1.45 ui-monospace,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere}"
    "code{font-family:ui-monospace,Consolas,monospace;font-size:.92em;overflow-wrap:anywhere}"
    "footer{border-top:1px solid #c4c4c4;margin-top:32px;padding:12px 16px 32px;font-size:.85rem;color:#444}"
    "@media(max-width:500px){h1{font-size:1.35rem}.net .stage{width:100%}.net ol{display:grid;grid-template-columns:repeat(2,minmax(0,1fr))}.net .box{min-width:0}}"
    "@media print{nav{display:none}figure,.box,tr,.verdict{break-inside:avoid}h2,h3{break-after:avoid}"
    ".wide{overflow:visible}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";

void mn_html_begin(mn_str *s, const char *title) {
    mn_str_add(s, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>");
    mn_html_text(s, title, MN_HTML_TEXT);
    mn_str_add(s, "</title>\n<style>");
    mn_str_add(s, style);
    mn_str_add(s, "</style></head>\n<body>\n");
}

void mn_html_end(mn_str *s) {
    mn_str_add(s, "</body></html>\n");
}

void mn_html_section(mn_str *s, const char *id, const char *title) {
    mn_str_addf(s, "<section id=\"%s\"><h2>", id);
    mn_html_text(s, title, MN_HTML_TEXT);
    mn_str_add(s, "</h2>\n");
}

void mn_html_section_end(mn_str *s) {
    mn_str_add(s, "</section>\n");
}
