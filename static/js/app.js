// Everything works without this file; it only makes it quicker. One element or habit per module.
import "./toasts.js"
import "./dialogs.js"
import "./kanban-board.js"
