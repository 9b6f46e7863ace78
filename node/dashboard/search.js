// Searching in what is sorted. Pure.

/** The index of the first element for which `isPast` holds; it holds for all behind that one. */
export function firstWhere(elements, isPast) {
  let low = 0;
  let high = elements.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isPast(elements[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
