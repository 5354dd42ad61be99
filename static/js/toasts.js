// Toasts: what just happened, said once. Good news leaves by itself, a "no" stays until it is dismissed.
const region = document.getElementById("toasts")
const STAY = 8000

function dress(toast) {
  if (toast.dataset.dressed) return
  toast.dataset.dressed = "yes"
  const close = document.createElement("button")
  close.type = "button"
  close.className = "close"
  close.setAttribute("aria-label", region.dataset.dismiss || "Dismiss")
  close.textContent = "×"
  close.addEventListener("click", () => toast.remove())
  toast.append(close)
  if (toast.getAttribute("role") !== "alert") leaveSoon(toast)
  while (region.children.length > 3) region.firstElementChild.remove()
}

function leaveSoon(toast) {
  let timer = setTimeout(() => toast.remove(), STAY)
  const hold = () => clearTimeout(timer)
  const release = () => { timer = setTimeout(() => toast.remove(), STAY / 2) }
  toast.addEventListener("pointerenter", hold)
  toast.addEventListener("pointerleave", release)
  toast.addEventListener("focusin", hold)
  toast.addEventListener("focusout", release)
}

export function toast(text, { alert = false, action, run } = {}) {
  const box = document.createElement("div")
  box.className = "toast"
  if (alert) box.setAttribute("role", "alert")
  const words = document.createElement("span")
  words.textContent = text
  box.append(words)
  if (action) {
    const button = document.createElement("button")
    button.type = "button"
    button.textContent = action
    button.addEventListener("click", () => { box.remove(); run() })
    box.append(button)
  }
  region.append(box)
  return box
}

if (region) {
  new MutationObserver(() => region.querySelectorAll(":scope > .toast").forEach(dress)).observe(region, { childList: true })
  region.querySelectorAll(":scope > .toast").forEach(dress)
}
