// Names of generated C: prefix of all that is public, and name of its files.
import { SanderlingError } from '@sanderling/kit';

/** Headers of C, of POSIX, and those that C libraries include themselves: a NAME.h beside them would be read in their place. */
const headers: ReadonlySet<string> = new Set(
  (
    'assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbit stdbool ' +
    'stdckdint stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype ' +
    'alloca dirent dlfcn endian fcntl features glob malloc memory newlib poll pthread regex reent sched search semaphore spawn strings ' +
    'syslog termios unistd utime values wordexp xlocale'
  ).split(' '),
);

/** The longest name. */
const longest = 31;

/** `most`: the longest name. @throws INVALID_ARGUMENT for what is no C identifier of at most so many characters, or is called as a header of the C library. */
export function checkName(name: string, most = longest): void {
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name) || name.length > most)
    refuse(`"${name}" is no C identifier of at most ${most} characters`);
  if (headers.has(name.toLowerCase()))
    refuse(`${name}.h is a header of the C library`, `choose another name, as model_${name}`);
}

function refuse(message: string, fix?: string): never {
  throw new SanderlingError('INVALID_ARGUMENT', `name: ${message}`, { where: 'name', ...(fix ? { fix } : {}) });
}

/** A name that {@link checkName} takes, from a file's name or any other text: `my net-2` is `my_net_2`, `time` is `model_time`. */
export function nameFrom(text: string): string {
  const plain = text.replaceAll(/[^A-Za-z0-9]+/g, '_').replaceAll(/^_+|_+$/g, '');
  const named = /^[A-Za-z]/.test(plain) && !headers.has(plain.toLowerCase()) ? plain : `model_${plain}`;
  return named.slice(0, longest).replace(/_+$/, '');
}
