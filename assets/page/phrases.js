// Finds the words of a catalogue in a text: exact messages, messages with {gaps}, and texts put together from several.
// A translation is a list of pieces: strings, and [from, to] where the text itself stays. Nothing here touches the page.
function workbenchPhrases(catalogue) {
  const UNITS = "GiB|MiB|KiB|GB|MB|kB|bytes?|ms|min|h|s|d|k|M|B|x|GPU|°C|W";
  const COUNTED = "no|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve";
  const NUMBERS = `(?:[\\d.,+\\-−–±×%:/~≈<>\\s]|(?<![A-Za-z])(?:${UNITS}|${COUNTED})(?![A-Za-z]))*?`;
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const DATE = new RegExp(`(?<!\\d)(\\d{1,2}) (${MONTHS.join("|")})(?: (\\d{4}))?(?!\\w)`, "g");
  const BREAKS = /([，。；：、（）？！]|\s+·\s+|\.{3}|[.?!](?=\s|$)\s*|[;:,…]\s+|\s*[([]|[)\]]|[“”"]|\s[–—|/→]\s|:$)/;
  const CHINESE = { ", ": "，", ". ": "。", ".": "。", "; ": "；", ": ": "：", ":": "：", "? ": "？", "?": "？", "! ": "！", "!": "！", "(": "（", " (": "（", ")": "）" };
  const MOST_GAPPED = 1600, MOST_TOKENS = 14, LEAST = 3, FEW = 6, DEEPEST = 3, LONG_NAME = 60, LONG_HALVES = 120, KEPT = 4000;
  const NAME = /^\S+(\s\S*[=_\d]\S*)*$/;   // one word, or a method with its options: "LoRA r=8 lora_alpha=16"
  const OWN = /^\S*([a-z]\S*[A-Z]|[A-Z]\S*[A-Z]|[=_\d])\S*$/;   // what is written so is a name in every language: "LoRA", "chrF", "r=8"
  const OPTIONS = /^(.*?)((?:\s\w+=\S+)+)$/s, LEAST_CUT = 8, LONGEST_CUT = 24;
  const HAN = /[\u3400-\u9fff]/, LETTERS = /[A-Za-z]/g, WORD = /[A-Za-z]+/g;

  const letters = (text) => (text.match(LETTERS) || []).length;
  const tidy = (text) => text.replace(/`/g, "").replace(/[ \t\r\n\f]+/g, " ").trim();
  const plain = (text) => text.replace(/\u00a0/g, " ");

  const exact = new Map(), lower = new Map(), gapped = [];
  for (const [message, said] of Object.entries(catalogue)) {
    if (!said) continue;
    const key = tidy(message.replace(/\{NBSP(_\d+)?\}/g, "\u00a0")), words = said.replace(/\{NBSP(_\d+)?\}/g, "\u00a0");
    if (/\{[^{}]*\}/.test(key)) gapped.push({ key, words });
    else {
      exact.set(plain(key), words);
      if (!lower.has(plain(key).toLowerCase())) lower.set(plain(key).toLowerCase(), words);
    }
  }

  // Each message with gaps stands under the rarest whole word of what is literal in it.
  const seldom = new Map();
  for (const one of gapped) {
    one.literals = one.key.split(/\{[^{}]*\}/);
    one.names = one.key.match(/\{[^{}]*\}/g).map((name) => name.slice(1, -1));
    const last = one.literals.length - 1;
    one.own = new Set(one.literals.flatMap((literal, place) => {
      let whole = literal;
      if (place > 0) whole = whole.replace(/^[A-Za-z]+/, "");
      if (place < last) whole = whole.replace(/[A-Za-z]+$/, "");
      return whole.match(WORD) || [];
    }));
    one.letters = letters(one.literals.join(""));
    for (const word of one.own) seldom.set(word, (seldom.get(word) || 0) + 1);
  }
  const index = new Map(), loose = [];
  for (const one of gapped) {
    const [rare] = [...one.own].sort((a, b) => seldom.get(a) - seldom.get(b) || b.length - a.length);
    if (rare === undefined) { if (one.letters) loose.push(one); }
    else if (index.has(rare)) index.get(rare).push(one);
    else index.set(rare, [one]);
  }

  function expression(one) {
    if (one.regex) return one.regex;
    const literal = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&").replace(/[ \u00a0]/g, "\\s");
    one.kinds = one.names.map((name, place) => {
      const before = one.literals[place], after = one.literals[place + 1];
      if (/[A-Za-z]$/.test(before)) return /^(s|value)(_\d+)?$/.test(name) ? "ending" : "tail";
      if (/^[a-z]/.test(after)) return "word";
      if (/[“‘"'«]$/.test(before) && /^[”’"'»]/.test(after)) return "quoted";
      if (/^(count|number)(_\d+)?$/.test(name)) return "number";
      return one.letters < LEAST ? "number" : one.letters < FEW ? "word or number" : "any";
    });
    // A gap may be empty: then the space beside it is gone too. A sentence may stand without its stop.
    const texts = [...one.literals], last = one.names.length;
    const stop = texts[last].endsWith(".") && one.letters >= FEW;
    if (stop) texts[last] = texts[last].slice(0, -1);
    let source = "^";
    one.kinds.forEach((kind, place) => {
      const gap = { ending: "([a-z]{0,3})", tail: "((?:[a-z]{0,3}|\\s[a-z]+))", word: "(\\S*?)", number: `(${NUMBERS})` }[kind] ?? "(.*?)";
      const before = texts[place], after = texts[place + 1], open = kind === "any" && /[ \u00a0]$/.test(before), shut = kind === "any" && /^[ \u00a0]/.test(after);
      if (open && (shut || (after === "" && place + 1 === last))) source += `${literal(before.slice(0, -1))}(?:\\s${gap})?`;
      else if (place === 0 && before === "" && shut) { source += `(?:${gap}\\s)?`; texts[1] = after.slice(1); }
      else source += literal(before) + gap;
    });
    source += literal(texts[last]) + (stop ? "(\\.?)" : "");
    one.regex = new RegExp(source + "$", "sd");
    return one.regex;
  }
  function inOrder(one, text) {
    let at = 0;
    for (const [place, literal] of one.literals.entries()) {
      const wanted = plain(place === one.names.length ? literal.replace(/\.$/, "") : literal).trim();
      const found = text.indexOf(wanted, at);
      if (found < 0) return false;
      at = found + wanted.length;
    }
    return true;
  }

  // Messages with gaps that the text is, the most literal first.
  function candidates(text) {
    if (text.length > MOST_GAPPED) return [];
    const bare = plain(text), found = [];
    const consider = (one) => {
      if (!inOrder(one, bare)) return;
      const match = expression(one).exec(text);
      if (match) found.push({ one, match });
    };
    for (const word of new Set(bare.match(WORD) || [])) for (const one of index.get(word) || []) consider(one);
    loose.forEach(consider);
    return found.sort((a, b) => b.one.letters - a.one.letters);
  }

  // The pieces of a translation with gaps: strings, and [from, to, kind] for what fills them.
  function filled(one, match, from) {
    const pieces = [];
    one.words.split(/(\{[^{}]*\})/).forEach((part, place) => {
      if (place % 2 === 0) { if (part) pieces.push(part); return; }
      const gap = one.names.indexOf(part.slice(1, -1));
      if (gap < 0) return;
      const [start, end] = match.indices[gap + 1] || [0, 0];
      if (end > start) pieces.push([from + start, from + end, one.kinds[gap]]);
    });
    // A sentence may stand without its stop.
    if (match.length > one.names.length + 1 && match.at(-1) === "" && typeof pieces.at(-1) === "string") pieces.push(pieces.pop().replace(/。$/, ""));
    return pieces;
  }

  // A whole text as one message, or null. What fills gaps is looked at the same way, DEEPEST times at most.
  const wholes = new Map();
  function whole(text, from = 0, depth = 0) {
    const name = `${depth} ${text}`;
    if (!wholes.has(name)) {
      if (wholes.size >= 4 * KEPT) wholes.clear();
      wholes.set(name, asWhole(text, depth));
    }
    const found = wholes.get(name);
    if (!found || !from) return found;
    return { ...found, pieces: found.pieces.map((piece) => (typeof piece === "string" ? piece : [piece[0] + from, piece[1] + from, piece[2]])) };
  }
  function asWhole(text, depth) {
    const found = asMessage(text, depth);
    if (found || depth >= DEEPEST || !/^[A-Za-z][a-z]/.test(text)) return found;
    // A sentence may begin within a message, and a message within a sentence.
    const first = text[0] === text[0].toLowerCase() ? text[0].toUpperCase() : text[0].toLowerCase();
    return asMessage(first + text.slice(1), depth);
  }
  function asMessage(text, depth) {
    const key = plain(text);
    const said = exact.get(key) ?? (HAN.test(key) ? undefined
      : exact.get(`${key}.`)?.replace(/。$/, "") ?? (key.length > 2 ? lower.get(key.toLowerCase()) : undefined));
    if (said !== undefined) return { pieces: [said], score: letters(text), left: 0 };
    if (HAN.test(key)) return null;
    const called = named(key);
    if (called !== null) return { pieces: [called], score: letters(text), left: 0 };
    if (depth >= DEEPEST) return null;
    let best = null;
    for (const { one, match } of candidates(text)) {
      if (best && one.letters < best.letters) break;
      const pieces = filled(one, match, 0);
      let left = 0, known = one.letters;
      // What fills the gap before a full stop is no further sentence.
      const stopped = match.length > one.names.length + 1 && one.literals.at(-1) === "." ? one.kinds.length - 1 : -1;
      one.kinds.forEach((kind, gap) => {
        const inner = match[gap + 1] || "", count = letters(inner);
        if (!count || kind === "ending") { known += count; return; }
        if (kind === "word or number" && !NAME.test(inner.trim()) && (inner.length > LONG_NAME || !inGap(inner, depth + 1))) left += 1000;
        if (kind === "any" && (one.letters < 14 || gap === stopped) && (one.letters < 14 ? /[.;?!]\s/ : /[.?!]\s/).test(inner)) left += 1000;
        if (kind !== "quoted" && kind !== "word" && (isOwn(inner) || inGap(inner, depth + 1))) known += count; else left += count;
      });
      if (left < 1000 && (!best || left < best.left)) best = { pieces, score: known, left, letters: one.letters };
    }
    return best;
  }

  const isOwn = (text) => text.trim().split(/\s+/).every((word) => OWN.test(word));
  // A title with its options ("Full, rounded afterwards scheme=int8"), and what a plot leaves of one ("Full, rounded af…"), or null.
  function named(text) {
    const [, title, options] = OPTIONS.exec(text) || [];
    if (exact.has(title)) return `${exact.get(title)}${options}`;
    const cut = text.slice(0, -1);
    if (!text.endsWith("…") || cut.length < LEAST_CUT || cut.length > LONGEST_CUT) return null;
    for (let at = cut.lastIndexOf(" "); at > 0; at = cut.lastIndexOf(" ", at - 1)) {
      if (exact.has(cut.slice(0, at))) return `${exact.get(cut.slice(0, at))}${cut.slice(at)}…`;
    }
    const [whole] = [...exact.keys()].filter((key) => key.startsWith(cut)).sort((a, b) => a.length - b.length);
    return whole && whole.length <= LONG_NAME ? `${exact.get(whole)}…` : null;
  }

  // A text of two parts: each a message, or one of them a number or a name of one word.
  function halves(text, from, depth) {
    if (HAN.test(text) || text.length > LONG_HALVES) return null;
    let best = null;
    for (const gap of text.matchAll(/\s+/g)) {
      const parts = [[0, gap.index], [gap.index + gap[0].length, text.length]].map(([start, end]) => {
        const said = text.slice(start, end), count = letters(said);
        const found = count ? whole(said, from + start, depth + 1) || (start && !depth ? halves(said, from + start, depth + 1) : null) : { pieces: [[from + start, from + end, "between"]], score: 0, left: 0 };
        return found || (NAME.test(said) && /[A-Z\d=_]/.test(said) ? { pieces: [[from + start, from + end, "between"]], score: 0, left: count } : null);
      });
      if (!parts[0] || !parts[1] || parts[0].score + parts[1].score === 0) continue;
      const left = parts[0].left + parts[1].left, score = parts[0].score + parts[1].score - 1;
      if (!best || left < best.left || (left === best.left && score > best.score)) best = { pieces: [...parts[0].pieces, " ", ...parts[1].pieces], score, left };
    }
    return best && best.score >= FEW ? best : null;
  }

  // A text put together from messages: the cover that leaves the fewest letters as they are.
  function cover(text, depth = 0) {
    const tokens = text.split(BREAKS).filter((token) => token !== "" && token !== undefined);
    if (tokens.length < 2 || tokens.length > (depth ? 24 : 400)) return null;
    const starts = [];
    let at = 0;
    for (const token of tokens) { starts.push(at); at += token.length; }
    const best = Array(tokens.length + 1).fill(null);
    best[tokens.length] = { score: 0, left: 0, pieces: null };
    for (let i = tokens.length - 1; i >= 0; i -= 1) {
      const count = letters(tokens[i]), rest = best[i + 1];
      best[i] = { score: rest.score, left: rest.left + count, alone: true, next: i + 1 };
      for (let j = i + 1; j <= Math.min(tokens.length, i + MOST_TOKENS); j += 1) {
        const raw = tokens.slice(i, j).join(""), said = raw.trim();
        if (!letters(said)) continue;
        const lead = raw.length - raw.trimStart().length;
        const found = whole(said, starts[i] + lead, depth) || (j === i + 1 && depth < DEEPEST ? halves(said, starts[i] + lead, depth) : null);
        if (!found) continue;
        const score = found.score + best[j].score - 0.5, left = found.left + best[j].left;
        if (score > best[i].score || (score === best[i].score && left < best[i].left)) {
          best[i] = { score, left, pieces: found.pieces, next: j, tail: /\s$/.test(raw) && j < tokens.length };
        }
      }
    }
    if (best[0].score <= 0) return null;
    const pieces = [];
    for (let i = 0, said = false; i < tokens.length; i = best[i].next) {
      const step = best[i], sign = CHINESE[plain(tokens[i])];
      // Brackets around a name stay its own: "(IA)³".
      const inside = sign === "（" ? best[i + 1]?.alone === undefined : sign === "）" ? said : true;
      if (!step.alone) pieces.push(...step.pieces, ...(step.tail ? [" "] : []));
      else pieces.push(sign && inside ? sign : [starts[i], starts[i] + tokens[i].length, "between"]);
      said = !step.alone;
    }
    return { pieces, score: best[0].score, left: best[0].left };
  }

  // What fills a gap: translated where it is a message or made of messages alone, else left.
  function inGap(text, depth = 1) {
    const body = text.trim();
    if (!letters(body)) return null;
    const found = whole(body, 0, depth) || (depth < DEEPEST ? cover(body, depth) : null);
    return found && found.left === 0 ? found : null;
  }
  function gapText(text, kind) {
    if (kind === "ending" || kind === "tail") return "";
    if (kind === "quoted" || kind === "word" || kind === "number") return (kind === "number" && exact.get(text)) || text;
    const found = inGap(text) || (/[.;:]\s/.test(text) ? cover(text.trim(), 1) : null);
    return found ? join(found.pieces, text.trim()) : dated(text);
  }
  const dated = (text) => text.replace(DATE, (_, day, month, year) => `${year ? `${year}年` : ""}${MONTHS.indexOf(month) + 1}月${Number(day)}日`);

  const close = (text) => text
    .replace(/[ ]+(?=[，。；：、（）？！”])/g, "")
    .replace(/([，。；：、（？！“])[ ]+/g, "$1")
    .replace(/([\u3400-\u9fff]) +(?=[\u3400-\u9fff])/g, "$1")
    .replace(/([。；：？！])。/g, "$1");
  function join(pieces, text) {
    return close(pieces.map((piece) => (typeof piece === "string" ? piece : gapText(text.slice(piece[0], piece[1]), piece[2]))).join(""));
  }

  const remembered = new Map();
  function remember(key, value) {
    if (remembered.size >= KEPT) remembered.delete(remembered.keys().next().value);
    remembered.set(key, value);
    return value;
  }
  // Pieces of the translation of a tidied text, or null.
  function find(text) {
    if (remembered.has(text)) { const had = remembered.get(text); remembered.delete(text); return remember(text, had); }
    if (!/[A-Za-z]{2}|[A-Za-z] |^[A-Za-z]$/.test(text)) return remember(text, null);
    const one = whole(text);
    // A message with few words of its own may only look like the whole: what is put together then says more.
    const several = one && (one.left === 0 || one.score > one.left) ? null : cover(text) || halves(text, 0, 0);
    return remember(text, several && (!one || several.left < one.left) ? several : one);
  }
  // A text with its white space, translated, or null.
  function translate(raw) {
    const text = tidy(raw);
    if (!text) return null;
    const found = find(text);
    const said = found ? join(found.pieces, text) : dated(text);
    if (said === text) return null;
    const [, before, after] = /^(\s*)[^]*?(\s*)$/.exec(raw);
    return `${/^[，。；：、）]/.test(said) ? "" : before}${raw.includes("`") ? said : said.replace(/`/g, "")}${/[，。；：、（？！]$/.test(said) && after === " " ? "" : after}`;
  }
  return { find, translate, tidy, close, gapText, letters };
}
