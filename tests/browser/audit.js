// Looks at a page from inside and leaves what it finds as JSON at its end.
(() => {
  const parse = (colour) => {
    const parts = colour.match(/[\d.]+/g);
    if (!parts) return null;
    const [r, g, b, a = 1] = parts.map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => {
    const mix = (x, y) => x * top.a + y * (1 - top.a);
    return { r: mix(top.r, under.r), g: mix(top.g, under.g), b: mix(top.b, under.b), a: 1 };
  };
  // WCAG 2, relative luminance and contrast ratio.
  const luminance = ({ r, g, b }) => {
    const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const contrast = (x, y) => {
    const [low, high] = [luminance(x), luminance(y)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const backdrop = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour && colour.a > 0) layers.push(colour);
      if (colour && colour.a === 1) break;
    }
    const canvas = dark ? { r: 18, g: 18, b: 18, a: 1 } : { r: 255, g: 255, b: 255, a: 1 };
    return layers.reverse().reduce((under, top) => over(top, under), canvas);
  };
  // What lies under a text of a picture: the shapes drawn before it that cover its middle.
  const drawnUnder = (text) => {
    const svg = text.closest('svg');
    const box = text.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    let under = backdrop(svg);
    for (const shape of svg.querySelectorAll('rect')) {
      if (!(shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
      const b = shape.getBoundingClientRect();
      if (x < b.left || x > b.right || y < b.top || y > b.bottom) continue;
      const style = getComputedStyle(shape);
      const fill = parse(style.fill);
      if (!fill || style.fill === 'none') continue;
      under = over({ ...fill, a: fill.a * style.fillOpacity * style.opacity }, under);
    }
    return under;
  };
  const ownText = (element) =>
    [...element.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join('').trim();
  const pale = [];
  let texts = 0;
  for (const element of document.body.querySelectorAll('*')) {
    const said = ownText(element);
    const style = getComputedStyle(element);
    if (!said || ['SCRIPT', 'STYLE', 'title', 'desc'].includes(element.tagName)) continue;
    if (style.display === 'none' || style.visibility === 'hidden') continue;
    if (element.closest('caption.heard, title, desc, defs')) continue;
    if (element.getBoundingClientRect().width === 0) continue;
    texts += 1;
    const drawn = element.closest('svg') !== null;
    const colour = parse(drawn ? style.fill : style.color);
    const under = drawn ? drawnUnder(element) : backdrop(element);
    const ratio = contrast(over(colour, under), under);
    if (ratio < 4.5) pale.push(`${element.tagName} "${said.slice(0, 40)}" ${ratio.toFixed(2)}`);
  }
  const numbers = [...document.querySelectorAll('[data-json]')].map((e) => ({
    pointer: e.getAttribute('data-json'),
    value: e.getAttribute('data-value'),
    text: e.textContent.replace(/\s+/g, ' ').trim(),
  }));
  const pictures = [...document.querySelectorAll('svg:not([aria-hidden="true"])')].map((svg) => {
    const labels = (svg.getAttribute('aria-labelledby') ?? '').split(' ').filter(Boolean);
    const named = labels.length > 0 && labels.every((id) => document.getElementById(id)?.textContent.trim());
    return {
      role: svg.getAttribute('role'),
      named: Boolean(named),
      title: svg.querySelector('title')?.textContent.trim() ?? '',
      arrows: svg.querySelectorAll('[data-json]').length,
    };
  });
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  const overflowing = [...document.body.querySelectorAll('*')].filter((e) => {
    const flow = getComputedStyle(e).overflowX;
    return (flow === 'auto' || flow === 'scroll') && e.scrollWidth > e.clientWidth + 1;
  });
  const labelled = (e) => e.getAttribute('aria-label') || e.getAttribute('aria-labelledby');
  const report = {
    dark,
    title: document.title,
    lang: document.documentElement.lang,
    page_width: document.documentElement.scrollWidth,
    window_width: innerWidth,
    texts,
    pale,
    numbers,
    pictures,
    tables: [...document.querySelectorAll('table')].map((t) => ({
      caption: t.caption?.textContent.trim() ?? '',
      heads: t.querySelectorAll('th').length,
      unscoped: [...t.querySelectorAll('th')].filter((th) => !th.scope).length,
      rows: t.rows.length,
    })),
    headings: [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((h) => Number(h.tagName[1])),
    unreachable: overflowing.filter((e) => e.tabIndex < 0 || !labelled(e)).map((e) => e.className),
    broken_links: [...document.querySelectorAll('a[href]')]
      .map((a) => a.getAttribute('href'))
      .filter((href) => !href.startsWith('#') || !document.getElementById(href.slice(1))),
    twice: ids.filter((id, at) => ids.indexOf(id) !== at),
    foreign: [...document.querySelectorAll('img,iframe,object,embed,link,audio,video,form,base,image,use')].map((e) => e.tagName),
    handlers: [...document.querySelectorAll('*')].flatMap((e) => [...e.attributes].map((a) => a.name)).filter((name) => name.startsWith('on')),
    scripts: document.querySelectorAll('script').length - 1,
    hacked: 'hacked' in window,
    main: document.querySelectorAll('main').length,
  };
  const left = document.createElement('pre');
  left.id = 'zc-audit';
  left.textContent = JSON.stringify(report);
  document.body.append(left);
})();
