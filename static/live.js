// Live pages: hears from the server that something changed, fetches the page again and swaps the
// parts that differ. Follows growing logs. Everything works without it, only not by itself.
(() => {
  'use strict';
  const lamp = document.getElementById('live');
  const seen = new Map();
  const pause = 1000;
  let waiting = false, dirty = false, last = 0;

  // Swapping

  const parts = (root) => root.querySelectorAll('[data-live][id]');
  parts(document).forEach((part) => seen.set(part.id, part.innerHTML));

  const busy = (part) => part.contains(document.activeElement)
    && document.activeElement.matches('input, select, textarea');

  async function refresh() {
    waiting = false;
    if (document.hidden) { dirty = true; return; }
    dirty = false;
    last = Date.now();
    let answer;
    try {
      answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
    } catch { return; }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const part of parts(fresh)) {
      const old = document.getElementById(part.id);
      if (!old || seen.get(part.id) === part.innerHTML || busy(old)) continue;
      seen.set(part.id, part.innerHTML);
      const open = [...old.querySelectorAll('details[open][id]')].map((one) => one.id);
      const scroller = old.querySelector('.falls, .scroll');
      const place = scroller && [scroller.scrollLeft, scroller.scrollTop];
      old.innerHTML = part.innerHTML;
      open.forEach((id) => document.getElementById(id)?.setAttribute('open', ''));
      if (place) old.querySelector('.falls, .scroll')?.scrollTo(...place);
    }
    const title = fresh.querySelector('title');
    if (title) document.title = title.textContent;
    tick();
  }

  function soon() {
    if (waiting) return;
    waiting = true;
    setTimeout(refresh, Math.max(150, last + pause - Date.now()));
  }

  document.addEventListener('visibilitychange', () => { if (!document.hidden && dirty) soon(); });

  // Hearing

  function shine(on) {
    if (!lamp) return;
    lamp.hidden = false;
    lamp.classList.toggle('off', !on);
    lamp.textContent = on ? 'live' : 'not connected';
  }

  const url = document.body.dataset.events;
  if (url && window.EventSource) {
    let lost = false;
    const source = new EventSource(url);
    source.addEventListener('hello', () => { shine(true); if (lost) soon(); lost = false; });
    source.addEventListener('changed', soon);
    source.addEventListener('error', () => { lost = true; shine(false); });
  }

  // Clocks

  const about = (s) => s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min`
    : s < 86400 ? `${Math.floor(s / 3600)} h`
    : s < 2592000 ? `${Math.floor(s / 86400)} d` : `${Math.floor(s / 2592000)} months`;
  const span = (s) => s < 60 ? `${s} s`
    : s < 3600 ? `${Math.floor(s / 60)} min${s % 60 ? ` ${s % 60} s` : ''}`
    : `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;

  function tick() {
    const now = Math.floor(Date.now() / 1000);
    document.querySelectorAll('time[data-at]').forEach((time) => {
      const ago = now - time.dataset.at;
      time.textContent = Math.abs(ago) < 5 ? 'just now'
        : ago > 0 ? `${about(ago)} ago` : `in ${about(-ago)}`;
      time.title = new Date(time.dataset.at * 1000).toLocaleString();
    });
    document.querySelectorAll('time[data-clock]').forEach((time) => {
      const moment = new Date(time.dataset.clock * 1000);
      time.textContent = moment.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
      time.title = moment.toLocaleString();
    });
    document.querySelectorAll('[data-since]').forEach((since) => {
      since.textContent = span(Math.max(0, now - since.dataset.since));
    });
    document.querySelectorAll('progress[data-start]').forEach((bar) => {
      bar.value = now - bar.dataset.start;
    });
  }
  tick();
  setInterval(tick, 1000);

  // Logs

  const log = document.getElementById('log');
  const wanted = /^#L(\d+)$/.exec(location.hash);
  if (log && wanted && !document.getElementById(`L${wanted[1]}`)) {
    const line = Number(wanted[1]);
    const shown = new URLSearchParams(location.search).get('line');
    if (String(line) !== shown) location.replace(`?line=${line}#L${line}`);
  }
  if (log?.dataset.follow && window.EventSource) {
    const most = 20000;
    const source = new EventSource(log.dataset.follow);
    const count = document.getElementById('count');
    const atEnd = () => innerHeight + scrollY >= document.body.scrollHeight - 80;
    source.addEventListener('lines', (event) => {
      const stick = atEnd();
      log.insertAdjacentHTML('beforeend', event.data);
      while (log.childElementCount > most) log.firstElementChild.remove();
      if (count) count.textContent = `${log.lastElementChild.id.slice(1)} lines`;
      if (stick) scrollTo(0, document.body.scrollHeight);
      shine(true);
    });
    source.addEventListener('end', () => {
      source.close();
      document.getElementById('growing')?.replaceChildren('finished');
      if (lamp) lamp.hidden = true;
    });
    // A lost stream would begin again at its start: load the page anew instead.
    source.addEventListener('error', () => {
      source.close();
      shine(false);
      setTimeout(() => location.reload(), 5000);
    });
  }

  // Force forms: a choice fills in other fields

  for (const one of document.querySelectorAll('[data-autopopulate]')) {
    one.addEventListener('change', () => {
      const values = JSON.parse(one.dataset.autopopulate)[one.value] ?? {};
      for (const [name, value] of Object.entries(values)) {
        const field = document.getElementById(`f-${name}`);
        if (field?.type === 'checkbox') field.checked = value === true;
        else if (field) field.value = value;
      }
    });
  }
})();
