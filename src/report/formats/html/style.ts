/** The page's style sheet: system fonts, one accent, both colour schemes. */
export const PAGE_STYLE: string = `
:root{color-scheme:light dark;--ground:#fbfcfd;--panel:#fff;--line:#dde3e9;--grid:#edf0f3;--text:#1a2530;--quiet:#5a6773;--faint:#8a96a1;--accent:#1f5fbf;--ok:#257a55;--all:#0f5c3d;--bad:#b42318;--warn:#9a5b00;--warnfill:#e3a23c;--hover:#eef3fa;--self:#e6eaee}
@media (prefers-color-scheme:dark){:root{--ground:#0f1419;--panel:#161d25;--line:#2b3641;--grid:#212a34;--text:#e3e9ef;--quiet:#a0adb9;--faint:#74818d;--accent:#78aef5;--ok:#3f9d73;--all:#7fe0b3;--bad:#f58377;--warn:#e9b45c;--warnfill:#c98a2b;--hover:#1d2732;--self:#232d38}}
*{box-sizing:border-box}
html,body{height:100%;margin:0}
body{display:flex;flex-direction:column;background:var(--ground);color:var(--text);font:13px/1.45 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
button,input,select{font:inherit;color:inherit}
:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:var(--panel);padding:4px 8px;z-index:9}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:6px 18px;padding:12px 18px 8px}
h1{font-size:16px;margin:0;font-weight:650}
.figures{display:flex;flex-wrap:wrap;gap:4px 14px;color:var(--quiet)}.figures b{color:var(--text);font-variant-numeric:tabular-nums;font-weight:600}
.figures .ok b{color:var(--ok)}.figures .warn b{color:var(--warn)}.figures .bad b{color:var(--bad)}
form{display:flex;flex-wrap:wrap;gap:8px 12px;padding:0 18px 10px;align-items:end;border-bottom:1px solid var(--line)}
label{display:flex;flex-direction:column;gap:2px;font-size:11px;color:var(--quiet)}
input,select{height:30px;padding:0 8px;border:1px solid var(--line);border-radius:6px;background:var(--panel);font-size:13px;color:var(--text)}
input[type=search]{width:220px}#ports{width:130px}select{max-width:190px}
input[aria-invalid=true]{border-color:var(--bad)}
button{height:30px;padding:0 12px;border:1px solid var(--line);border-radius:6px;background:var(--panel);cursor:pointer}button:hover{background:var(--hover)}
.tabs{display:flex;gap:2px;margin-left:auto}.tabs button{border-color:transparent;background:none;color:var(--quiet)}
.tabs button[aria-selected=true]{background:var(--panel);border-color:var(--line);color:var(--text);font-weight:600}
main{flex:1;display:flex;min-height:0}
.view{flex:1;min-width:0;position:relative;overflow:hidden}.view[hidden]{display:none}
.scroll{position:absolute;inset:0;overflow:auto}
#matrix canvas{position:absolute;left:0;top:0;pointer-events:none}
#matrix .scroll{outline-offset:-2px}
.legend{position:absolute;left:12px;bottom:20px;max-width:90%;display:flex;flex-wrap:wrap;gap:2px 14px;padding:4px 10px;border:1px solid var(--line);border-radius:6px;background:var(--panel);font-size:11px;color:var(--quiet);pointer-events:none}
.legend i{display:inline-block;width:10px;height:10px;margin-right:5px;vertical-align:-1px;border-radius:2px}
.tip{position:fixed;z-index:5;max-width:460px;padding:5px 9px;border-radius:6px;background:var(--text);color:var(--ground);font-size:12px;pointer-events:none}
.tip[hidden],.empty[hidden]{display:none}
.empty{position:absolute;inset:0;display:grid;place-items:center;color:var(--quiet)}
.rowhead,.row{display:grid;grid-template-columns:minmax(140px,1fr) minmax(140px,1fr) minmax(130px,.9fr) 112px;gap:14px;padding:0 18px;align-items:center}
.rowhead{position:sticky;top:0;z-index:2;height:32px;background:var(--ground);border-bottom:1px solid var(--line)}
.rowhead button{border:0;background:none;padding:0;text-align:left;font-size:11px;color:var(--quiet);font-weight:600;height:28px}
.row{position:absolute;left:0;right:0;height:28px;cursor:pointer;border-bottom:1px solid var(--grid)}
.row:hover,.row[aria-selected=true]{background:var(--hover)}
.row span{overflow:hidden;white-space:nowrap;text-overflow:ellipsis}
.ns{color:var(--quiet)}
.verdict{font-weight:600}.verdict.allowed{color:var(--ok)}.verdict.denied{color:var(--bad)}.verdict.undefined,.verdict.some{color:var(--warn)}
aside{width:430px;max-width:46vw;flex:none;overflow:auto;border-left:1px solid var(--line);background:var(--panel);padding:14px 18px 30px}aside[hidden]{display:none}
aside h2{font-size:14px;margin:0 30px 2px 0;overflow-wrap:anywhere}aside .close{float:right;height:26px;padding:0 8px}
aside h3{font-size:12px;margin:16px 0 4px;padding-top:10px;border-top:1px solid var(--line);overflow-wrap:anywhere}
aside h4{font-size:12px;margin:8px 0 2px;font-weight:600}
aside ul{margin:2px 0 0;padding:0;list-style:none}aside li{margin:4px 0 4px 2px;padding-left:14px;position:relative;overflow-wrap:anywhere}
aside li::before{content:"\\2192";position:absolute;left:-2px;color:var(--faint)}aside li.near::before{content:"\\2248";color:var(--warn)}
.place{display:block;font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--quiet)}
code{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--grid);border-radius:4px;padding:1px 5px;overflow-wrap:anywhere}
.page{padding:14px 18px 40px;max-width:1000px}.page h2{font-size:13px;margin:20px 0 6px}.page h2:first-child{margin-top:0}
.page table{border-collapse:collapse;width:100%}.page th{text-align:left;font-size:11px;color:var(--quiet);font-weight:600}.page td,.page th{padding:4px 14px 4px 0;border-bottom:1px solid var(--grid);vertical-align:top;overflow-wrap:anywhere}
.live{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media (max-width:760px){main{flex-direction:column}aside{width:auto;max-width:none;max-height:50vh;border-left:0;border-top:1px solid var(--line)}input[type=search]{width:150px}.rowhead,.row{grid-template-columns:minmax(0,1fr) minmax(0,1fr) minmax(0,.8fr) 84px;gap:8px;padding:0 12px}}
@media print{form,.legend,aside .close{display:none}}
`;
