// Numbers on the command line: what is none is wrong use, told before anything is asked of a hub.
import { InvalidArgumentError } from 'commander';

/** A whole number of at least `least`, for commander's options. */
export function wholeNumber(least = 1): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`It takes a whole number of at least ${least}.`);
    return value;
  };
}
