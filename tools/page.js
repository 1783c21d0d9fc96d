// The report page's script. `charts` and `candidates` stand before it (tools/page.py).

const digits = document.getElementById('digits'), floor = document.getElementById('floor')
const dark = matchMedia('(prefers-color-scheme: dark)')
let view

/** The smallest file of some; of equal ones the closest. Cosines carry 7 decimals. */
function smallest (files, least) {
  return files.filter(file => file.cosine_min >= least)
    .sort((a, b) => a.size_mb - b.size_mb || b.cosine_min - a.cosine_min)[0]
}

function element (name, content) {
  const made = document.createElement(name)
  made.append(content)
  return made
}

/** A file as a link where there is an address. */
function named (file) {
  if (!file) return 'none'
  if (!file.href) return file.variant
  return Object.assign(element('a', file.variant), { href: file.href, title: file.file })
}

const megabytes = size => size === undefined ? '' : size.toFixed(2)

/** A model's smallest file for pictures and for texts. */
function pair (model, files, least) {
  const chosen = ['visual', 'textual'].map(graph => smallest(files.filter(file => file.graph === graph), least))
  const whole = chosen.every(Boolean)
  const cells = chosen.flatMap(file => [named(file), megabytes(file?.size_mb)])
  cells.push(whole ? megabytes(chosen[0].size_mb + chosen[1].size_mb) : '')
  cells.push(whole ? Math.min(...chosen.map(file => file.cosine_min)).toFixed(7) : '')
  const line = document.createElement('tr')
  line.append(Object.assign(element('th', model), { scope: 'row' }), ...cells.map(cell => element('td', cell)))
  return line
}

function choose (least) {
  const models = Map.groupBy(candidates, file => file.model)
  const rows = [...models].map(([model, files]) => pair(model, files, least))
  document.querySelector('#choice tbody').replaceChildren(...rows)
  view?.signal('floor', least).run()
}

digits.addEventListener('input', () => {
  floor.value = (1 - 10 ** -digits.value).toFixed(7)
  choose(Number(floor.value))
})
floor.addEventListener('input', () => {
  if (floor.value === '') return
  digits.value = -Math.log10(Math.max(1 - floor.value, 1e-7))
  choose(Number(floor.value))
})

/** Numbers by value ("> 100" is one), the rest as text; what is empty comes last. */
function compare (a, b) {
  if (!a || !b) return !a - !b
  const [x, y] = [a, b].map(text => Number(text.replace('> ', '')))
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y
}

function sort (heading) {
  const table = heading.closest('table'), column = heading.cellIndex
  const falling = heading.ariaSort === 'ascending'
  for (const other of table.tHead.rows[0].cells) other.ariaSort = null
  heading.ariaSort = falling ? 'descending' : 'ascending'
  const text = line => line.cells[column].textContent.trim()
  const lines = [...table.tBodies[0].rows].sort((a, b) => {
    const [x, y] = [text(a), text(b)]
    return falling && x && y ? compare(y, x) : compare(x, y)
  })
  table.tBodies[0].append(...lines)
}

for (const heading of document.querySelectorAll('#results th')) {
  const button = Object.assign(document.createElement('button'), { type: 'button' })
  button.append(...heading.childNodes)
  button.addEventListener('click', () => sort(heading))
  heading.append(button)
}

/** The charts in the colours of the page. */
async function draw () {
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`)
  const [text, line] = [colour('text'), colour('line')]
  const axis = { labelColor: text, titleColor: text, gridColor: line, domainColor: line, tickColor: line }
  const config = {
    background: 'transparent', axis, view: { stroke: line }, text: { color: text },
    header: { labelColor: text, titleColor: text }, legend: { labelColor: text, titleColor: text }
  }
  for (const [id, spec] of Object.entries(charts)) {
    const drawn = await vegaEmbed(`#${id}`, spec, { actions: false, config })
    if (id === 'size') view = drawn.view
  }
  choose(Number(floor.value))
  document.body.dataset.drawn = true
}
dark.addEventListener('change', draw)
draw()
