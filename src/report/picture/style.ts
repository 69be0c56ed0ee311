/** Colours of the pictures in light and dark; contrast of text is at least 4.5:1 on its ground in both. */
export const STYLE: string = `
svg{--ground:#fff;--box:#f5f7f9;--line:#d5dce3;--node:#fff;--text:#1c2733;--quiet:#5b6875;--ok:#2f7d5b;--all:#12603f;--warn:#a15c00;--bad:#b42318;--pill:#fff;--cell:#2f7d5b}
@media (prefers-color-scheme:dark){svg{--ground:#11161c;--box:#181f27;--line:#2d3843;--node:#212a34;--text:#e4eaf0;--quiet:#9aa8b5;--ok:#5fbf93;--all:#8fe3bb;--warn:#e8ab4a;--bad:#f58377;--pill:#161c23;--cell:#4fae83}}
text{font:12px ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--text)}
.ground{fill:var(--ground)}.box{fill:var(--box);stroke:var(--line)}.title{font-weight:600;fill:var(--quiet)}
.node{fill:var(--node);stroke:var(--line)}.range .node{stroke-dasharray:4 3}
.bundle path{fill:none;stroke-width:1.3;opacity:.6}.bundle rect{fill:var(--pill);stroke-width:1}.bundle text{font-size:10.5px}
.allowed path,.allowed rect{stroke:var(--ok)}.allowed text{fill:var(--ok)}
.every path,.every rect{stroke:var(--all)}.every text{fill:var(--all);font-weight:600}
.warn path,.warn rect{stroke:var(--warn)}.warn text{fill:var(--warn)}.warn path{stroke-dasharray:5 4}
.opened path,.opened rect{stroke:var(--ok)}.opened text{fill:var(--ok)}
.closed path,.closed rect{stroke:var(--bad)}.closed text{fill:var(--bad)}.closed path{stroke-dasharray:5 4}
.bundle:hover path{stroke-width:2.6;opacity:1}.bundle:hover rect{stroke-width:2}
.small{font-size:11px;fill:var(--quiet)}.cell{stroke:var(--line);stroke-width:.5}.filled{fill:var(--cell)}.none{fill:var(--box)}.open{fill:var(--warn)}
`;
