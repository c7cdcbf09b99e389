// The hub: start one, stop it, or embed it in another program.
export type { Capabilities } from './capabilities.ts';
export { startHub, type Hub, type HubOptions } from './hub.ts';
export { readSettings, type SettingsSources } from './settings-sources.ts';
export { parseSettings, type HubSettings, type HubSettingsInput } from './settings.ts';
