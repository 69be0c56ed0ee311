export type { Cluster } from './model/cluster.ts';
