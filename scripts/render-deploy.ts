// Renders a kustomization of deploy/ as `kubectl kustomize` does, where there is no kubectl: npm run deploy:render.
// Only the fields that deploy/ uses; any other is refused, so that nothing is rendered differently than kubectl would.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly [field: string]: unknown;
}

/** An object as it goes to the API server. */
export interface DeployObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  // biome-ignore lint/suspicious/noExplicitAny: as many shapes as there are kinds; the schema check looks at them
  readonly [field: string]: any;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
}

interface Kustomization {
  readonly resources: readonly string[];
  readonly images?: readonly {
    readonly name: string;
    readonly newName?: string;
    readonly newTag?: string;
  }[];
  readonly patches?: readonly {
    readonly target: { readonly kind: string; readonly name: string };
    readonly patch: string;
  }[];
}

const KNOWN = ['apiVersion', 'kind', 'resources', 'images', 'patches'];

type Tree = Record<string, unknown> | unknown[];

const refuseUnknown = (file: string, text: unknown): Kustomization => {
  for (const key of Object.keys(text as object))
    if (!KNOWN.includes(key))
      throw new Error(`${file}: ${key}: not known to this renderer; known: ${KNOWN.join(', ')}`);
  return text as Kustomization;
};

const readObjects = (file: string): readonly DeployObject[] =>
  parseAllDocuments(readFileSync(file, 'utf8'), { version: '1.1' }).map((document) => {
    const [fault] = document.errors;
    if (fault !== undefined) throw new Error(`${file}: ${fault.message}`);
    return document.toJS() as DeployObject;
  });

/** Every `image: NAME` of a container, named anew. Changes the objects in place: they are fresh from their files. */
const setImages = (value: unknown, images: NonNullable<Kustomization['images']>): void => {
  if (value === null || typeof value !== 'object') return;
  const tree = value as Record<string, unknown>;
  // A registry may have a port; a tag has no slash.
  const [, name, tag] = /^(.*?)(?::([^:/]+))?$/.exec(String(tree.image ?? '')) ?? [];
  const found = images.find((image) => image.name === name);
  if (found !== undefined) {
    const newTag = found.newTag ?? tag;
    tree.image = `${found.newName ?? name}${newTag === undefined ? '' : `:${newTag}`}`;
  }
  for (const child of Object.values(tree)) setImages(child, images);
};

/** RFC 6902, `add` and `replace`. */
const operate = (object: DeployObject, { op, path, value }: Operation): void => {
  if (op !== 'add' && op !== 'replace') throw new Error(`patch: op ${op}: add or replace would be right`);
  const keys = path
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = keys.pop() as string;
  let at = object as unknown as Tree;
  for (const key of keys) {
    at = (at as Record<string, Tree>)[key] as Tree;
    if (at === undefined) throw new Error(`patch: path ${path}: there is no ${key}`);
  }
  if (!Array.isArray(at)) at[last] = value;
  else if (op === 'add') at.splice(last === '-' ? at.length : Number(last), 0, value);
  else at[Number(last)] = value;
};

/** The objects of the kustomization in `folder`, in the order of its resources. Throws with one line on a fault. */
export const renderDeploy = (folder: string): readonly DeployObject[] => {
  const file = join(folder, 'kustomization.yaml');
  const { resources, images = [], patches = [] } = refuseUnknown(file, parse(readFileSync(file, 'utf8')));
  const objects = resources.flatMap((resource) => {
    const path = join(folder, resource);
    if (!resource.endsWith('.yaml')) return renderDeploy(path);
    // kubectl refuses files from outside the kustomization's folder, and takes folders from anywhere.
    if (resource.includes('/'))
      throw new Error(`${file}: ${resource}: name a file of this folder, or a folder`);
    return readObjects(path);
  });
  setImages(objects, images);
  for (const { target, patch } of patches) {
    const hit = objects.filter(({ kind, metadata }) => kind === target.kind && metadata.name === target.name);
    if (hit.length === 0) throw new Error(`${file}: patches: there is no ${target.kind} ${target.name}`);
    for (const object of hit) for (const each of parse(patch) as Operation[]) operate(object, each);
  }
  return objects;
};

if (import.meta.main) {
  const [folder = join(import.meta.dirname, '../deploy/base')] = process.argv.slice(2);
  try {
    console.log(
      renderDeploy(folder)
        // Kubernetes reads YAML 1.1: texts that it would take for something else are quoted.
        .map((object) => stringify(object, { lineWidth: 0, version: '1.1', aliasDuplicateObjects: false }))
        .join('---\n')
        .trimEnd(),
    );
  } catch (error) {
    console.error(`render-deploy: ${(error as Error).message}`);
    process.exitCode = 2;
  }
}
