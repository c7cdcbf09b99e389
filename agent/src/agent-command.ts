// Where the command lies, for programs that start the agent as a process of its own.
import { fileURLToPath } from 'node:url';

/** Path of `sanderling-agent.js`; run it with Node 24.12 or newer. */
export const agentCommand: string = fileURLToPath(new URL('../bin/sanderling-agent.js', import.meta.url));
