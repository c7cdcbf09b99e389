// The heat balance of one room: two thermal masses (air with furniture, envelope) and a radiator, after Bacher & Madsen,
// "Identifying suitable models for the heat dynamics of buildings", Energy and Buildings 43 (2011), model TiTeTh.
//
//   Ci dTi/dt = (Te − Ti)/Rie + (Ta − Ti)·(Uw + Uv + Uo) + (Th − Ti)/Rih + Aw·I + Φp
//   Ce dTe/dt = (Ti − Te)/Rie + (Ta − Te)/Rea
//   Ch dTh/dt = (Ti − Th)/Rih + Φh
//
// Ti, Te, Th: air, envelope, radiator; Ta: outside; I: sun on the window; Φp: people; Φh: heating power, switched by the thermostat.

/** What the room is made of. The defaults are a 20 m² room of the 1980s: masses by ISO 13790 (medium weight), losses by its U-values. */
export interface RoomParameters {
  /** Heat capacity of air and furniture, J/K. */
  readonly airCapacity: number;
  /** Heat capacity of the envelope, J/K. */
  readonly envelopeCapacity: number;
  /** Conductance between air and envelope, W/K. */
  readonly airToEnvelope: number;
  /** Conductance from envelope to outside, W/K. */
  readonly envelopeToOutside: number;
  /** Conductance of the window's glass, W/K. */
  readonly glass: number;
  /** Air leaking in and out, W/K. */
  readonly ventilation: number;
  /** What an open window adds, W/K. */
  readonly openWindow: number;
  /** Area of the window times the share of sun that it lets in, m². */
  readonly sunArea: number;
  /** Heating power when on, W. */
  readonly heatingPower: number;
  /** Heat capacity of the radiator, J/K. */
  readonly radiatorCapacity: number;
  /** Conductance from radiator to air, W/K. */
  readonly radiatorToAir: number;
  /** Heat of one person with a computer, W. */
  readonly person: number;
}

/** The defaults of {@link RoomParameters}. */
export const ordinaryRoom: RoomParameters = {
  airCapacity: 0.9e6,
  envelopeCapacity: 3.3e6,
  airToEnvelope: 120,
  envelopeToOutside: 22,
  glass: 7,
  ventilation: 9,
  openWindow: 150,
  sunArea: 1.3,
  heatingPower: 2000,
  radiatorCapacity: 0.02e6,
  radiatorToAir: 55,
  person: 130,
};

/** Temperatures inside, °C. */
export interface RoomState {
  readonly air: number;
  readonly envelope: number;
  readonly radiator: number;
}

/** What acts on the room. */
export interface RoomInputs {
  /** °C. */
  readonly outside: number;
  /** W/m². */
  readonly sunOnWindow: number;
  readonly people: number;
  readonly heating: boolean;
  /** How far the window is open, 0…1. */
  readonly windowOpen: number;
}

/**
 * The temperatures `seconds` later (explicit Euler). The fastest time constant of a sensible room is above ten minutes, so that steps of a
 * minute are exact to a few thousandths of a kelvin.
 */
export function stepRoom(
  room: RoomParameters,
  state: RoomState,
  { inputs, seconds }: { inputs: RoomInputs; seconds: number },
): RoomState {
  const { air, envelope, radiator } = state;
  const { outside, sunOnWindow, people, heating, windowOpen } = inputs;
  const toOutside = room.glass + room.ventilation + room.openWindow * windowOpen;
  const toEnvelope = (air - envelope) * room.airToEnvelope;
  const fromRadiator = (radiator - air) * room.radiatorToAir;
  const intoAir =
    fromRadiator - toEnvelope + (outside - air) * toOutside + room.sunArea * sunOnWindow + room.person * people;
  const intoEnvelope = toEnvelope + (outside - envelope) * room.envelopeToOutside;
  const intoRadiator = (heating ? room.heatingPower : 0) - fromRadiator;
  return {
    air: air + (seconds * intoAir) / room.airCapacity,
    envelope: envelope + (seconds * intoEnvelope) / room.envelopeCapacity,
    radiator: radiator + (seconds * intoRadiator) / room.radiatorCapacity,
  };
}
