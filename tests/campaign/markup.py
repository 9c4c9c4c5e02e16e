# SPDX-License-Identifier: MIT
"""What the HTML pages of campaigns and benchmarks are made of."""
import html

STYLE = """
body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 1250px; padding: 0 1em; color: #222; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 1.8em; }
table { border-collapse: collapse; font-size: 13px; } td, th { padding: .25em .6em; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; } td.zero { color: #bbb; } td.bad { background: #fbdcdc; font-weight: bold; }
th { font-weight: 600; background: #f4f4f4; } code { background: #f4f4f4; padding: 0 .25em; word-break: break-all; }
.yes { color: #176e1d; font-weight: bold; } .no { color: #b00020; font-weight: bold; } .quiet { color: #777; }
svg { max-width: 100%; height: auto; } .wide { overflow-x: auto; }
"""


def escape(value):
    return html.escape(str(value))


def cell(value, kind=""):
    return f"<td class='{kind}'>{escape(value)}</td>"


def table(head, rows):
    return ("<div class='wide'><table><tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>" +
            "".join("<tr>" + "".join(row) + "</tr>" for row in rows) + "</table></div>")


def document(title, parts):
    return (f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
            f"<style>{STYLE}</style></head><body>" + "\n".join(parts) + "</body></html>\n")
