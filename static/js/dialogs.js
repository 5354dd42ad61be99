// Dialogs that an answer brings are opened as modal ones; closing gives the focus back to where it was.
const host = document.getElementById("dialogs")

function open(dialog) {
  const before = document.activeElement
  dialog.close()
  dialog.removeAttribute("open")
  dialog.showModal()
  if (dialog.dataset.opened) return
  dialog.dataset.opened = "yes"
  dialog.addEventListener("close", () => {
    dialog.remove()
    const again = before?.id ? document.getElementById(before.id) : before
    again?.focus?.()
  })
}

if (host) {
  new MutationObserver(changes => {
    for (const change of changes) {
      for (const node of change.addedNodes) {
        if (node instanceof HTMLDialogElement && !node.matches(":modal")) open(node)
      }
    }
  }).observe(host, { childList: true })
}

// An answer that replaces a dialog by one of the same id is given the old one's attributes: shown, but not as a modal.
document.addEventListener("htmx:finally:request", () => {
  for (const dialog of host?.querySelectorAll(":scope > dialog") ?? []) {
    if (!dialog.open) open(dialog)
  }
})

document.addEventListener("click", event => {
  const close = event.target.closest?.("dialog [data-close]")
  if (close) {
    event.preventDefault()
    close.closest("dialog").close()
  }
})
