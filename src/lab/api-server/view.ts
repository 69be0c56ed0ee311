import { asObject, get, items, stringOf } from '../../kinds/validation/json.ts';
import type { Json, JsonObject } from '../../manifest/object.ts';
import type { ServedResource } from './resources.ts';

/** How objects are shown to a client. */
export type View = 'object' | 'metadata' | 'table';

/** The first of the accepted forms that can be given; `null` if there is none. */
export function viewOf(accept: string): View | null {
  const forms = accept.split(',').map((form) => form.split(';').map((part) => part.trim()));
  for (const [type = '', ...parameters] of forms) {
    if (type !== 'application/json' && type !== 'application/*' && type !== '*/*' && type !== '') continue;
    const as = parameters.find((one) => one.startsWith('as='))?.slice(3);
    if (as === undefined) return 'object';
    if (as === 'Table' && parameters.includes('v=v1')) return 'table';
    if ((as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') && parameters.includes('v=v1'))
      return 'metadata';
  }
  return null;
}

/** An object in the version that was asked for, or its metadata alone. */
export function shownObject(object: JsonObject, apiVersion: string, view: View): JsonObject {
  if (view === 'metadata') {
    return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata ?? {} };
  }
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

/** A list in the form of a view. */
export function shownList(
  resource: ServedResource,
  apiVersion: string,
  objects: readonly JsonObject[],
  metadata: JsonObject,
  view: View,
  now: number,
): JsonObject {
  if (view === 'table') return table(resource, objects, metadata, now);
  const shown = objects.map((object) => shownObject(object, apiVersion, view));
  if (view === 'metadata') {
    return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: shown };
  }
  return { kind: `${resource.kind}List`, apiVersion, metadata, items: shown };
}

interface Column {
  readonly name: string;
  /** Shown only with `-o wide` if it is 1. */
  readonly priority?: 1;
  readonly cell: (object: JsonObject) => Json;
}

const textOr = (value: Json | undefined, other: string): string => stringOf(value) || other;
const spec = (object: JsonObject): JsonObject => asObject(object.spec);
const status = (object: JsonObject): JsonObject => asObject(object.status);
const labelText = (value: Json | undefined): string =>
  Object.entries(asObject(value))
    .map(([key, text]) => `${key}=${stringOf(text)}`)
    .sort()
    .join(',') || '<none>';

const POD: readonly Column[] = [
  {
    name: 'Ready',
    cell: (object) => {
      const all = items(spec(object).containers).length;
      const isReady = items(status(object).conditions)
        .map(asObject)
        .some((one) => one.type === 'Ready' && one.status === 'True');
      return `${isReady ? all : 0}/${all}`;
    },
  },
  {
    name: 'Status',
    cell: (object) =>
      Object.hasOwn(asObject(object.metadata), 'deletionTimestamp')
        ? 'Terminating'
        : textOr(status(object).phase, 'Unknown'),
  },
  { name: 'Restarts', cell: () => '0' },
];
const POD_WIDE: readonly Column[] = [
  { name: 'IP', priority: 1, cell: (object) => textOr(status(object).podIP, '<none>') },
  { name: 'Node', priority: 1, cell: (object) => textOr(spec(object).nodeName, '<none>') },
];

const count = (value: Json | undefined): number => (typeof value === 'number' ? value : 0);

interface Columns {
  readonly before: readonly Column[];
  readonly after: readonly Column[];
}

const COLUMNS: ReadonlyMap<string, Columns> = new Map<string, Columns>([
  ['Pod', { before: POD, after: POD_WIDE }],
  ['Namespace', { before: [{ name: 'Status', cell: (object) => textOr(status(object).phase, '') }], after: [] }],
  [
    'Node',
    {
      before: [{ name: 'Status', cell: () => 'Ready' }],
      after: [
        {
          name: 'Internal-IP',
          priority: 1,
          cell: (object) => stringOf(asObject(items(status(object).addresses)[0]).address),
        },
      ],
    },
  ],
  [
    'Service',
    {
      before: [
        { name: 'Type', cell: (object) => textOr(spec(object).type, 'ClusterIP') },
        { name: 'Cluster-IP', cell: (object) => textOr(spec(object).clusterIP, '<none>') },
        {
          name: 'External-IP',
          cell: (object) =>
            items(asObject(status(object).loadBalancer).ingress)
              .map((one) => stringOf(asObject(one).ip))
              .join(',') || '<none>',
        },
        {
          name: 'Port(s)',
          cell: (object) =>
            items(spec(object).ports)
              .map(asObject)
              .map((port) => {
                const node = typeof port.nodePort === 'number' ? `:${port.nodePort}` : '';
                return `${count(port.port)}${node}/${textOr(port.protocol, 'TCP')}`;
              })
              .join(',') || '<none>',
        },
      ],
      after: [{ name: 'Selector', priority: 1, cell: (object) => labelText(spec(object).selector) }],
    },
  ],
  ...['Deployment', 'StatefulSet', 'ReplicaSet'].map((kind): readonly [string, Columns] => [
    kind,
    {
      before: [
        {
          name: 'Ready',
          cell: (object) => `${count(status(object).readyReplicas)}/${count(spec(object).replicas)}`,
        },
      ],
      after: [],
    },
  ]),
  [
    'NetworkPolicy',
    {
      before: [
        {
          name: 'Pod-Selector',
          cell: (object) => labelText(asObject(get(spec(object), 'podSelector')).matchLabels),
        },
      ],
      after: [],
    },
  ],
]);

function table(
  resource: ServedResource,
  objects: readonly JsonObject[],
  metadata: JsonObject,
  now: number,
): JsonObject {
  const own = COLUMNS.get(resource.kind) ?? { before: [], after: [] };
  const columns: readonly Column[] = [
    { name: 'Name', cell: (object) => stringOf(asObject(object.metadata).name) },
    ...own.before,
    { name: 'Age', cell: (object) => age(stringOf(asObject(object.metadata).creationTimestamp), now) },
    ...own.after,
  ];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns.map(({ name, priority }) => ({
      name,
      type: 'string',
      format: name === 'Name' ? 'name' : '',
      description: '',
      priority: priority ?? 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object)),
      object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata ?? {} },
    })),
  };
}

function age(created: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(created)) / 1000));
  if (Number.isNaN(seconds)) return '<unknown>';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86400)}d`;
}
