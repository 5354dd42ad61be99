// A board: drag by mouse and touch, menu and keyboard, all posting to the one address that moves cards. The server
// decides; every answer draws the columns as they are. Only when no answer comes is the card put back from here.
import { toast } from "./toasts.js"

const board = document.getElementById("board")
const QUIET_AFTER_DROP = 300

let words, Sortable
let drag = null // {item, home, next} while a card is dragged, or lifted by the keyboard
let lifted = false
let focusAfter = null // id of what gets the focus after the next answer
let droppedAt = -QUIET_AFTER_DROP
let ended = false
let skipped = false // an answer was not drawn, the next poll makes up for it
const sent = new Map() // op -> the move that waits for its answer

if (board) start()

async function start() {
  words = JSON.parse(board.dataset.words)
  document.documentElement.classList.add("js")
  if (!("fixed" in board.dataset)) {
    await import("../vendor/Sortable.min.js")
    Sortable = window.Sortable
  }
  mount()
  listen()
  document.getElementById("keys-button")?.removeAttribute("hidden")
  board.dataset.ready = "yes"
}

// Cards and columns

const cardOf = element => element?.closest?.("#board li[id^=c]")
const idOf = item => item?.id?.slice(1) ?? ""
const numberOf = item => item.querySelector(".card").id
const linkOf = item => item.querySelector("h3 a")
const listOf = stage => document.getElementById(`list-${stage}`)
const columns = () => [...board.querySelectorAll(":scope > .col")]
const open = () => columns().filter(column => !column.classList.contains("folded"))
const cardsOf = column => [...column.querySelectorAll("ol > li")]
const say = text => { document.getElementById("said").textContent = text }
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name])

function key() {
  if (crypto.randomUUID) return crypto.randomUUID()
  return [...crypto.getRandomValues(new Uint8Array(16))].map(b => b.toString(16).padStart(2, "0")).join("")
}

// Dragging

function mount() {
  rove()
  if (!Sortable) return
  const coarse = matchMedia("(pointer: coarse)").matches
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches
  for (const list of board.querySelectorAll("ol[data-stage]")) {
    if (Sortable.get(list)) continue
    new Sortable(list, {
      group: "cards", draggable: "li", handle: coarse ? ".card > button" : undefined,
      filter: coarse ? undefined : "button, input", preventOnFilter: false,
      delay: coarse ? 0 : 180, delayOnTouchOnly: true, touchStartThreshold: 4,
      forceFallback: true, fallbackOnBody: true, fallbackTolerance: 4, animation: still ? 0 : 120,
      emptyInsertThreshold: 24, bubbleScroll: true, scrollSensitivity: 60,
      ghostClass: "ghost", fallbackClass: "lifting",
      onStart: event => {
        drag = { item: event.item, home: event.from, next: event.item.nextElementSibling }
        board.classList.add("dragging")
        document.getElementById("move").hidePopover()
        requestAnimationFrame(() => { if (Sortable.ghost) Sortable.ghost.style.opacity = "1" })
      },
      onMove: event => over(event.to.closest(".col")),
      onEnd: event => {
        const move = drag
        drag = null
        droppedAt = performance.now()
        board.classList.remove("dragging")
        over(null)
        if (move) drop(move, event.item)
        htmx.trigger(document.body, "board-changed")
      },
    })
  }
}

function over(column) {
  for (const one of columns()) one.classList.toggle("over", one === column)
}

function drop({ home, next }, item) {
  const to = item.parentElement
  if (to === home && item.nextElementSibling === next) return
  send({ item, home, next, to })
}

function send({ item, home, next, to, end = false, op = key() }) {
  const beside = side => (end ? "" : idOf(item[side]?.id?.startsWith("c") ? item[side] : null))
  const values = {
    card: idOf(item), from: home.dataset.stage, to: to.dataset.stage,
    before: beside("nextElementSibling"), after: beside("previousElementSibling"), op,
  }
  post({ item, home, next, values })
}

function post(move) {
  sent.set(move.values.op, move)
  htmx.ajax("POST", board.dataset.move, { source: board, target: board, swap: "none", values: move.values })
}

function putBack({ item, home, next }) {
  const place = document.getElementById(home.id)
  const card = document.getElementById(item.id) ?? item
  if (place) place.insertBefore(card, next?.parentElement === place ? next : null)
}

// The same ways without dragging

function moveTo(item, stage) {
  const to = listOf(stage)
  const home = item.parentElement
  if (!to || to === home) return
  const move = { item, home, next: item.nextElementSibling, to, end: true }
  to.append(item)
  focusAfter = linkOf(item).id
  send(move)
}

function shift(item, step) {
  const home = item.parentElement
  const next = item.nextElementSibling
  const beside = step < 0 ? item.previousElementSibling : item.nextElementSibling
  if (!beside) return false
  if (step < 0) beside.before(item)
  else beside.after(item)
  return { item, home, next }
}

function across(item, step) {
  const column = item.closest(".col")
  const all = lifted ? open() : columns()
  const to = all[all.indexOf(column) + step]
  if (!to) return false
  const list = to.querySelector("ol[data-stage]")
  const move = { item, home: item.parentElement, next: item.nextElementSibling }
  list.insertBefore(item, cardsOf(to)[cardsOf(column).indexOf(item)] ?? null)
  return move
}

function nudge(item, event) {
  const step = event.key === "ArrowUp" || event.key === "ArrowLeft" ? -1 : 1
  const move = event.key === "ArrowUp" || event.key === "ArrowDown" ? shift(item, step) : across(item, step)
  if (!move) return
  linkOf(item).focus()
  item.scrollIntoView({ block: "nearest", inline: "nearest" })
  if (lifted) return over(item.closest(".col"))
  focusAfter = linkOf(item).id
  send({ ...move, to: item.parentElement })
}

function lift(item) {
  lifted = true
  drag = { item, home: item.parentElement, next: item.nextElementSibling }
  item.querySelector(".card").classList.add("held")
  over(item.closest(".col"))
  const text = fill(words.lifted, { number: numberOf(item) })
  say(text)
  toast(text)
}

function land(keep) {
  const move = drag
  drag = null
  lifted = false
  over(null)
  move.item.querySelector(".card").classList.remove("held")
  focusAfter = linkOf(move.item).id
  if (keep) drop(move, move.item)
  else {
    putBack(move)
    say(fill(words.back, { number: numberOf(move.item) }))
  }
  linkOf(move.item).focus()
  htmx.trigger(document.body, "board-changed")
}

// The one menu

function openMenu(item) {
  const menu = document.getElementById("move")
  const button = item.querySelector(".card > button")
  const here = item.closest(".col").dataset.stage
  const choose = (run, label, { name = label, icon = "go", disabled = false, hint = "" } = {}) => {
    const entry = document.createElement("button")
    entry.type = "button"
    entry.setAttribute("role", "menuitem")
    entry.setAttribute("aria-label", name)
    entry.disabled = disabled
    entry.tabIndex = -1
    entry.innerHTML = `<svg class="i" aria-hidden="true"><use></use></svg>`
    entry.querySelector("use").setAttribute("href", sprite(icon))
    entry.append(label)
    if (hint) {
      const note = document.createElement(hint.length > 1 ? "span" : "kbd")
      note.textContent = hint
      if (hint.length > 1) note.className = "end xs"
      entry.append(note)
    }
    entry.addEventListener("click", () => { menu.hidePopover(); run() })
    return entry
  }
  const line = document.createElement("hr")
  const title = document.createElement("span")
  title.className = "title"
  title.setAttribute("role", "presentation")
  title.textContent = fill(words.menu, { number: numberOf(item) })
  const move = step => () => {
    const moved = shift(item, step)
    if (!moved) return
    focusAfter = button.id || linkOf(item).id
    send({ ...moved, to: item.parentElement })
    linkOf(item).focus()
  }
  const all = columns()
  menu.replaceChildren(
    title,
    ...all.map((column, n) => {
      const name = column.getAttribute("aria-label")
      const stays = column.dataset.stage === here
      return choose(() => { moveTo(item, column.dataset.stage); linkOf(item).focus() }, name, {
        name: fill(words.to, { stage: name }), icon: stays ? "check" : "go", disabled: stays,
        hint: stays ? words.here : n < 9 ? String(n + 1) : "",
      })
    }),
    line,
    choose(move(-1), words.up, { icon: "up", disabled: !item.previousElementSibling }),
    choose(move(1), words.down, { icon: "down", disabled: !item.nextElementSibling }),
    choose(() => linkOf(item).click(), words.open, { icon: "eye" }),
  )
  menu.setAttribute("aria-label", fill(words.menu, { number: numberOf(item) }))
  menu.showPopover({ source: button })
  if (!CSS.supports("position-area", "block-end")) placeBeside(menu, button)
  menu.querySelector("button:not(:disabled)")?.focus()
}

function placeBeside(menu, button) {
  const at = button.getBoundingClientRect()
  menu.style.left = `${Math.max(8, Math.min(at.right - menu.offsetWidth, innerWidth - menu.offsetWidth - 8))}px`
  menu.style.top = `${Math.max(8, Math.min(at.bottom, innerHeight - menu.offsetHeight - 8))}px`
}

function sprite(icon) {
  const known = board.querySelector("use") ?? document.querySelector("use")
  return `${known.getAttribute("href").split("#")[0]}#${icon}`
}

function walkMenu(event) {
  const entries = [...event.currentTarget.querySelectorAll("button:not(:disabled)")]
  const at = entries.indexOf(document.activeElement)
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key]
  if (to !== undefined) {
    event.preventDefault()
    entries.at(to % entries.length).focus()
  } else if (event.key === "Tab") event.currentTarget.hidePopover()
  else if (/^[1-9]$/.test(event.key)) event.currentTarget.querySelectorAll("button")[event.key - 1]?.click()
}

// Quick add

function openQuick(button) {
  const column = button.closest(".col")
  let form = column.querySelector("form.quick")
  if (!form) {
    board.querySelectorAll("form.quick").forEach(other => other.remove())
    form = document.getElementById("quick").content.firstElementChild.cloneNode(true)
    form.id = `quick-${column.dataset.stage}`
    form.action = button.dataset.url
    form.setAttribute("hx-post", button.dataset.url)
    form.elements.op.value = key()
    column.querySelector("header").after(form)
    htmx.process(form)
  }
  form.elements.title.focus()
}

function closeQuick(form) {
  const button = form.closest(".col").querySelector(".add")
  form.remove()
  button?.focus()
}

// Keyboard: one stop per board, arrows walk

function rove(current) {
  const links = [...board.querySelectorAll(".card h3 a")]
  const stop = current ?? links.find(a => a === document.activeElement) ?? links.find(a => a.tabIndex === 0 && a.hasAttribute("tabindex")) ?? links[0]
  for (const link of links) {
    const value = link === stop ? 0 : -1
    link.tabIndex = value
    const button = link.closest(".card").querySelector(":scope > button")
    if (button) button.tabIndex = value
  }
}

function walk(item, name) {
  const column = item.closest(".col")
  const cards = cardsOf(column)
  const at = cards.indexOf(item)
  let to = null
  if (name === "ArrowUp") to = cards[at - 1]
  if (name === "ArrowDown") to = cards[at + 1]
  if (name === "Home") to = cards[0]
  if (name === "End") to = cards.at(-1)
  if (name === "ArrowLeft" || name === "ArrowRight") {
    const all = open().filter(one => one === column || cardsOf(one).length)
    const next = all[all.indexOf(column) + (name === "ArrowLeft" ? -1 : 1)]
    if (next) to = cardsOf(next)[Math.min(at, cardsOf(next).length - 1)]
  }
  if (to) {
    linkOf(to).focus()
    to.scrollIntoView({ block: "nearest", inline: "nearest" })
  }
}

function onKey(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return
  const target = event.target
  const form = target.closest?.("form.quick")
  if (form) {
    if (event.key === "Escape") closeQuick(form)
    return
  }
  if (target.matches?.("input, select, textarea, dialog *, [popover] *")) return
  const item = cardOf(target)
  const name = event.key
  if (lifted) {
    if (name.startsWith("Arrow")) nudge(drag.item, event)
    else if (name === "Enter" || name === " ") land(true)
    else if (name === "Escape") land(false)
    else return
    event.preventDefault()
    return
  }
  if (name === "u") {
    document.querySelector("#toasts [data-undo]")?.click()
    return
  }
  if (name === "?") {
    document.getElementById("keys")?.togglePopover()
    return
  }
  if ((name === "n" || name === "c") && board.querySelector(".add")) {
    event.preventDefault()
    openQuick(item?.closest(".col").querySelector(".add") ?? board.querySelector(".add"))
    return
  }
  if (!item) return
  const fixed = "fixed" in board.dataset
  if (event.shiftKey && name.startsWith("Arrow")) {
    if (!fixed) nudge(item, event)
  } else if (name.startsWith("Arrow") || name === "Home" || name === "End") walk(item, name)
  else if (name === "m") openMenu(item)
  else if (name === " " && target.matches("a") && !fixed) lift(item)
  else if (/^[1-9]$/.test(name) && columns()[name - 1] && !fixed) {
    moveTo(item, columns()[name - 1].dataset.stage)
    linkOf(item).focus()
  } else return
  event.preventDefault()
}

// What the page asks by itself, and what comes back

const isSync = context => context?.sourceElement?.id === "sync"
const ofBoard = context => context?.request?.action?.includes("/boards/")

function listen() {
  const on = (name, run) => document.addEventListener(name, run)
  on("keydown", onKey)
  document.getElementById("move").addEventListener("keydown", walkMenu)
  on("pointerdown", () => { droppedAt = -QUIET_AFTER_DROP })
  board.addEventListener("click", event => {
    if (performance.now() - droppedAt < QUIET_AFTER_DROP) {
      event.preventDefault()
      event.stopPropagation()
      return
    }
    const add = event.target.closest(".add")
    const menu = event.target.closest(".card > button")
    if (add || menu) event.preventDefault()
    if (add) openQuick(add)
    if (menu) openMenu(cardOf(menu))
  }, true)
  board.addEventListener("focusin", event => {
    const item = cardOf(event.target)
    if (item) rove(linkOf(item))
  })
  on("visibilitychange", () => { if (!document.hidden) htmx.trigger(document.body, "board-changed") })
  on("htmx:config:request", event => {
    const context = event.detail.ctx
    if (!ofBoard(context)) return
    if (isSync(context) && (drag || sent.size || ended || document.hidden)) return event.preventDefault()
    const source = context.sourceElement
    if (source.matches(".more")) source.dataset.from = listOf(source.id.slice("more-".length)).children.length
    const body = context.request.body
    const counts = open().map(column => `${column.dataset.stage}:${cardsOf(column).length}`)
    body.set("shown", counts.join(","))
    const form = board.querySelector("form.quick")
    if (form) body.set("add", form.id.slice("quick-".length))
  })
  on("htmx:before:swap", event => {
    const context = event.detail.ctx
    if (isSync(context) ? drag || sent.size : overtaken(context)) event.preventDefault()
  })
  on("htmx:after:swap", event => { if (ofBoard(event.detail.ctx)) drawn(event.detail.ctx) })
  on("htmx:error", event => failed(event.detail.ctx))
  on("htmx:response:error", event => {
    const context = event.detail.ctx
    if (context.response.status >= 500) failed(context)
    if (context.response.status === 401 && isSync(context) && !ended) {
      ended = true
      toast(words.ended, { alert: true, action: words.signin, run: () => location.reload() })
    }
  })
  on("htmx:finally:request", event => {
    const op = event.detail.ctx?.values?.op
    if (!op || sent.get(op)?.failed) return
    sent.delete(op)
    if (!sent.size && skipped) {
      skipped = false
      htmx.trigger(document.body, "board-changed")
    }
  })
}

// Quick fingers: an answer is not drawn over moves that were made after it and still wait for theirs.
function overtaken(context) {
  const op = context?.values?.op
  if (!sent.has(op) || context.response.status !== 200) return false
  const later = [...sent.keys()].at(-1) !== op
  skipped ||= later
  return later
}

function drawn(context) {
  const twice = new Set()
  for (const item of board.querySelectorAll("ol > li[id]")) {
    if (twice.has(item.id)) item.remove()
    twice.add(item.id)
  }
  mount()
  const source = context.sourceElement
  if (source?.matches?.(".quick")) document.getElementById(source.id)?.elements.title.focus()
  else if (source?.matches?.(".more")) {
    const list = listOf(source.id.slice("more-".length))
    const first = list?.children[Number(source.dataset.from)]
    if (first) linkOf(first).focus()
  } else if (focusAfter) {
    const target = document.getElementById(focusAfter)
    if (target && (document.activeElement === document.body || board.contains(document.activeElement))) target.focus()
    focusAfter = null
  }
}

function failed(context) {
  const move = sent.get(context?.values?.op)
  if (!move) return
  move.failed = true
  putBack(move)
  toast(words.lost, { alert: true, action: words.retry, run: () => { move.failed = false; post(move) } })
}
